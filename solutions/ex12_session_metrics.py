# %% [markdown]
# # Exercise 12: The metrics of a session
#
# **A dashboard shows an average of nothing, and nobody notices. What should it have shown?**
#
# *30 minutes, 1 point. We re-create the faults of the chapter's metrics class, see what each of
# them hides, and mend it: one function, tried on the timelines of two recorded calls.*
#
# Fragment 39.1.6 of the chapter keeps what monitoring wants to know of a call, and exports it as
# OpenTelemetry attributes whose names begin with `voice.`. Read, fill in what says "Exercise", and
# run the `check` below it.

# %%
from functools import cache

from voxlab import (
    check,
    data,
    in_memory,
    load_script,
    offline,
    play,
    shop_agent,
    shop_realtime_agent,
    turn_times,
)

# %% [markdown]
# ## Four faults
#
# Here is the fragment's idea in a few lines of our own, indented as it is printed.


# %%
class AsPrinted:
    """39.1.6: the average returns nothing, and the export is nested inside of it."""

    def __init__(self, turns, total_ms):
        self.turns, self.total_ms = turns, total_ms

    @property
    def average_ms(self):
        """Return the mean wait of a turn: so it is meant."""
        if self.turns == 0:
            return 0
            average_ms = self.total_ms / self.turns
            return average_ms

            def to_otel_attributes(self):
                return {"voice.turns": self.turns, "voice.avg_turn_latency_ms": self.average_ms}


# %%
session = AsPrinted(turns=3, total_ms=1200.0)
print("average of three turns:", session.average_ms)
print("average of no turn:    ", AsPrinted(0, 0.0).average_ms)
print("can it export?         ", hasattr(session, "to_otel_attributes"))

# %% [markdown]
# 1. **The average returns nothing.** Everything below `return 0` stands inside the `if`, and is
#    never reached. Python says no word: a function without a `return` gives `None`.
# 2. **The export does not exist.** It is a function inside a property. Move everything one step to
#    the left, and the first two faults are mended. The next two are faults of thought.
# 3. **No turn gives an average of 0 ms**, the best value of all. A call in which nobody was ever
#    answered turns the dashboard green. What does not exist is left out.
# 4. **It adds up the stages of a turn.** They overlap: a recogniser works while the caller speaks,
#    a voice while the model writes on. What the caller waits is one time, from their last sound to
#    the agent's first: its *TTFB*.
#
# And a fifth, which only calls show. An agent that begins **before** the caller is done has a
# negative TTFB. Averaged in, each cut-in makes the agent look quicker.
#
# ## What you write
#
# Each turn of a call is three things: when the caller ended, when the agent began its reply (`None`
# if it never did), and whether the agent took the turn for a sign of listening and went on with
# what it was saying. So each turn is **one of four**:
#
# | went on | reply | the turn is |
# |---|---|---|
# | yes | (never mind) | resumed |
# | no | none | unanswered |
# | no | before the caller's end | cut in |
# | no | after it, or at it | answered |
#
# Only answered turns have a wait. By hand, for four turns:
#
# - `(2.0, 2.4, False)`: answered, after 400 ms;
# - `(9.0, 9.8, False)`: answered, after 800 ms;
# - `(15.0, 14.0, False)`: cut in, 1000 ms too early;
# - `(20.0, None, True)`: resumed.
#
# Four turns: two answered, one cut in, one resumed, none unanswered; the mean wait is (400 + 800) /
# 2 = 600 ms. With the cut-in among them it would be 67 ms.


# %%
def session_attributes(turns):
    """Return what a session exports, as a dictionary.

    turns: (end_s, reply_s, went_on) of each thing the caller said. The keys are voice.turns,
    voice.turns.answered, .cut_in, .resumed and .unanswered, and voice.avg_turn_latency_ms: the mean
    wait of the answered turns in milliseconds, left out if none was answered.

    >>> session_attributes([(2.0, None, False)])["voice.turns.unanswered"]
    1
    """
    # BEGIN SOLUTION ex12.1: sort each turn into one of four, and average the answered ones
    outcomes, waits_ms = [], []
    for end_s, reply_s, went_on in turns:
        if went_on:
            outcomes.append("resumed")
        elif reply_s is None:
            outcomes.append("unanswered")
        elif reply_s < end_s:
            outcomes.append("cut_in")
        else:
            outcomes.append("answered")
            waits_ms.append(1000 * (reply_s - end_s))
    kinds = ("answered", "cut_in", "resumed", "unanswered")
    attributes = {f"voice.turns.{kind}": outcomes.count(kind) for kind in kinds}
    attributes["voice.turns"] = len(turns)
    if waits_ms:
        attributes["voice.avg_turn_latency_ms"] = sum(waits_ms) / len(waits_ms)
    return attributes
    # END SOLUTION ex12.1


# %%
check("ex12.1")

# %% [markdown]
# ## Two recorded calls
#
# In the first a caller says "uh huh" while the agent speaks. In the second a caller hesitates in
# the middle of a question, and meets the agent behind a Realtime connection, which ends a turn
# after a fixed silence. The turns come from the timelines of the calls.


# %%
def turns_of(timeline):
    """Return the turns of a call as your function wants them."""
    return [(turn.end_s, turn.reply_s, turn.resumed) for turn in turn_times(timeline)]


@cache
def recorded_timelines():
    """Hold both calls, once, and return their timelines by name."""
    agents = {"backchannel": shop_agent(), "hesitation": shop_realtime_agent(in_memory(offline()))}
    return {
        name: play(load_script(data.path(f"calls/{name}.yaml")), agent).timeline
        for name, agent in agents.items()
    }


# %%
for name, timeline in recorded_timelines().items():
    print(name)
    for key, value in sorted(session_attributes(turns_of(timeline)).items()):
        print(f"  {key:28} {value:g}")

# %% [markdown]
# The second agent is twice as slow as the first. With its cut-in averaged in, it would look quicker
# than the first one.
#
# The library's `VoiceSessionMetrics` says the same of these calls, and more: what each stage took,
# what was thrown away, P50 and P95.

# %%
from voxlab.observability import measure_session

for name, timeline in recorded_timelines().items():
    theirs = measure_session(timeline).to_otel_attributes()
    mine = session_attributes(turns_of(timeline))
    print(name, "the same:", all(abs(theirs[key] - value) < 1e-6 for key, value in mine.items()))

# %% [markdown]
# ## Three takeaways
#
# 1. **What does not exist is left out.** A 0 or a `None` on a dashboard is read as a value.
# 2. **A cut-in is no wait.** Count it beside the waits; averaged in, it makes an agent look quick.
# 3. **The caller waits once.** The sum of the stages is another number: they overlap.
