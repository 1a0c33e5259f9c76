# %% [markdown]
# # Exercise 9: Repair the turn manager
#
# **What does a caller lose when an agent gets the turns wrong, and how few lines give it back?**
#
# *45 minutes, 8 points. We hold a call with a turn manager that has four faults, see and hear what
# it throws away, and write four short functions. After them nothing is lost.*
#
# The manager is the one of section 39.1.5 (Code Fragment 39.1.4): it listens, thinks, speaks, ends
# a turn after 500 ms of silence, and can be interrupted. Read, fill in what says "Exercise", and
# run the `check` below it. Each part earns 2 points. Three of the eight are for hidden tests, which
# play recorded calls that you do not see.

# %%
import math
from collections import deque
from dataclasses import dataclass
from functools import cache

import numpy as np

from voxlab import MoonshineSTT, audio, check, data, run_virtual, speech_probabilities
from voxlab.vad import FRAME_S, FRAME_SIZE, RATE_HZ

# %% [markdown]
# ## A call in frames
#
# A turn manager hears no words. Every 32 ms a voice activity detector (VAD) tells it one thing:
# speech or silence. We write that as a strip, `S` for a frame of speech, `.` for one of silence:
#
# ```
# strip   ..SSSS..SS......
# frame   0123456789012345     (frame 10 is the second 0)
# ```
#
# 500 ms of silence are 15.6 frames. We cannot wait for part of a frame, so 16 end a turn.

# %%
SILENCE = 16  # frames of silence that end a turn: 0.5 s, rounded up
PREROLL = 10  # frames from before the speech that belong to it: 0.3 s, rounded up


def strip(text):
    """Return a strip as a list of booleans, True for speech."""
    return [letter == "S" for letter in text]


# %% [markdown]
# Our call has four lines. The second falls into the agent's first reply, the third into its
# thoughts. What the agent says does not matter here. We write down how long it thinks after each
# turn, and how long it would speak; the weather service is slow today.

# %%
LINES = (  # seconds of silence, and what the caller says then
    (0.5, "order_email"),
    (3.2, "weather_friday"),
    (0.7, "weather_tomorrow"),
    (5.5, "goodbye"),
)
REPLIES = ((20, 150), (80, 90), (20, 100), (20, 40))  # frames of thinking, frames of speech


@cache
def caller():
    """Return the caller's side of the call."""
    pieces = []
    for pause_s, line in LINES:
        pieces += [audio.silence(pause_s, RATE_HZ), data.utterance(line).audio]
    return audio.concatenate([*pieces, audio.silence(2.0, RATE_HZ)])


@cache
def speech():
    """Return what Silero says to each frame of it, True for speech."""
    return (speech_probabilities(caller()) >= 0.5).tolist()


# %%
def heard(numbers):
    """Return the sound of some of its frames, one after the other."""
    frames = audio.frames(caller(), FRAME_SIZE)
    return audio.Audio(frames[np.asarray(numbers, dtype=int)].ravel(), RATE_HZ)


def words(sound):
    """Return what voxlab's recogniser understands."""

    async def once():
        yield sound

    async def final():
        return [transcript.text async for transcript in MoonshineSTT().transcribe(once())][-1]

    return run_virtual(final())


# %%
for _, line in LINES:
    print(data.utterance(line).text)
print("".join(".S"[is_speech] for is_speech in speech()))
caller()

# %% [markdown]
# A turn manager is told three things: a frame is here, a reply begins to sound, a reply has
# ended. What it wants done it returns as a list of actions:
#
# | action | means |
# |---|---|
# | `("commit", frames)` | the turn is over: answer these frames |
# | `("stop_speaking",)` | the caller interrupts: be silent |
# | `("cancel_reply",)` | the caller goes on: forget the reply, nobody has heard it yet |
#
# `hold` holds a call with a manager. It knows no clock: time is the number of the frame.


# %%
@dataclass
class Held:
    """A call that was held: the strip, the state after each frame, [(frame, what, ...), ...]."""

    speech: list
    states: list
    events: list


def hold(manager, speech, replies=()):
    """Hold a call with a manager, and do what it says.

    replies: for each commit in turn, (frames of thinking, frames of speech).
    """
    held, replies = Held(list(speech), [], []), iter(replies)
    starts = ends = math.inf
    for frame, is_speech in enumerate(speech):
        if frame == starts:
            manager.on_reply_started()
            held.events.append((frame, "reply_started"))
        if frame == ends:
            manager.on_reply_finished()
            held.events.append((frame, "reply_finished"))
        for what, *frames in manager.on_frame(frame, is_speech):
            held.events.append((frame, what, *frames))
            starts = ends = math.inf  # whatever it says, the reply so far is over
            if what == "commit":
                thinks, speaks = next(replies, (math.inf, 0))
                starts, ends = frame + thinks, frame + thinks + speaks
        held.states.append(manager.state)
    return held


# %% [markdown]
# ## The printed manager
#
# This is the fragment's manager in our own lines: no tasks, no sound, the same decisions. We read
# it as its caption says: between the end of a turn and its reply the agent is processing (we say
# `"thinking"`). As printed, that state is left in the moment it is entered.
#
# **Predict before you go on:** it has four faults. In which branch is each, or which is missing?


# %%
class PrintedManager:
    """Code Fragment 39.1.4 with its faults, one frame at a time."""

    def __init__(self, silence=SILENCE):
        self.state, self.queue, self.silent, self.silence = "listening", [], 0, silence

    def on_frame(self, frame, is_speech):
        """Hear a frame; return the actions."""
        self.silent = 0 if is_speech else self.silent + 1
        if self.state == "speaking" and is_speech:
            self.state, self.queue = "listening", []
            return [("stop_speaking",)]
        if self.state == "listening" and is_speech:
            self.queue.append(frame)
        elif self.state == "listening" and self.queue and self.silent >= self.silence:
            self.state, turn, self.queue = "thinking", self.queue, []
            return [("commit", turn)]
        return []

    def on_reply_started(self):
        """Speak."""
        self.state = "speaking"

    def on_reply_finished(self):
        """Do nothing: the fragment has no line for this."""


@cache
def printed():
    """Return our call, held with it."""
    return hold(PrintedManager(), speech(), REPLIES)


# %%
def commits(held):
    """Return the frames of each commit."""
    return [event[2] for event in held.events if event[1] == "commit"]


def log(held):
    """Return what happened in a call: [(frame, what), ...]."""
    return [event[:2] for event in held.events]


def lost(held):
    """Return the frames of speech that are in no commit."""
    committed = {frame for frames in commits(held) for frame in frames}
    return sorted(set(np.flatnonzero(held.speech).tolist()) - committed)


# %%
def spans(numbers):
    """Return runs of consecutive frames as matplotlib's bars: (start_s, duration_s)."""
    numbers = np.asarray(numbers, dtype=int)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [(run[0] * FRAME_S, run.size * FRAME_S) for run in runs if run.size]


# %%
def draw(**calls):
    """Draw calls below each other: what was said, whose turn it was, what was committed."""
    import matplotlib.pyplot as plt

    look = {"figsize": (12, 2.6 * len(calls)), "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(len(calls), 1, sharex=True, **look)
    for ax, (name, held) in zip(axes[:, 0], calls.items(), strict=True):
        draw_call(ax, held)
        ax.set_title(name.replace("_", " "), loc="left")
    ax.set_xlabel("time (s)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)


# %%
def draw_call(ax, held):
    """Draw one call: three lanes of bars, and a mark for each action."""
    from voxlab.plots import AGENT, ERROR, STAGE, USER, WAITING

    gone, states = lost(held), np.array(held.states)
    said = sorted(set(np.flatnonzero(held.speech).tolist()) - set(gone))
    bars = [(2, said, USER, "", "speech, committed"), (2, gone, ERROR, "xxx", "speech, lost")]
    looks = (("listening", USER, ""), ("thinking", WAITING, ".."), ("speaking", AGENT, "//"))
    bars += [(1, np.flatnonzero(states == s), color, hatch, s) for s, color, hatch in looks]
    bars += [(0, frames, STAGE, "", "") for frames in commits(held)]
    for y, numbers, color, hatch, label in bars:
        look = {"facecolor": color, "hatch": hatch, "edgecolor": "w", "label": label}
        ax.broken_barh(spans(numbers), (y - 0.35, 0.7), linewidth=0, alpha=0.8, **look)
    for what, mark, y in (("commit", "|", 0), ("stop_speaking", "X", 1), ("cancel_reply", "<", 1)):
        times_s = [(event[0] + 1) * FRAME_S for event in held.events if event[1] == what]
        ax.plot(times_s, [y] * len(times_s), mark, color="black", markersize=9, label=what)
    ax.set(yticks=(0, 1, 2), yticklabels=("commits", "state", "caller"), ylim=(-0.6, 2.6))


# %%
draw(the_printed_manager=printed())

# %% [markdown]
# Hatched on top is what the caller said and nobody will ever answer. One fault after the other.
#
# ### 39.1.4: silence never reaches the queue

# %%
for start_s, length_s in spans(commits(printed())[0]):
    print(f"from {start_s:.2f} s on, {length_s:.2f} s")
heard(commits(printed())[0])

# %% [markdown]
# The first commit, as the recogniser gets it: two stretches, glued. The pause between the
# sentences is gone, and with it what tells one sentence from the next. Compare with the voice
# above.
#
# ### 39.1.4: the frames that interrupt are thrown away

# %%
print(log(printed())[2:4])
print("the commit begins with", commits(printed())[1][:3])
print(words(heard(commits(printed())[1])))
heard(commits(printed())[1])

# %% [markdown]
# Is that what the caller said? The frame that made the agent stop is not in the commit. And the VAD
# is late by nature: it needs some of a word to know that it is one. The soft beginning before that
# frame is nowhere, either. Together they make the first sound of the first word.
#
# ### 39.1.4: nobody listens while the agent thinks

# %%
print(f"{len(lost(printed()))} frames of speech lost, {len(lost(printed())) * FRAME_S:.1f} s")
print(words(heard(lost(printed()))))
heard(lost(printed()))

# %% [markdown]
# All that is in no commit, in one piece: a whole question, and the two frames that interrupted.
# There is no branch for a caller who speaks while the agent is processing.
#
# ### 39.1.4: nothing returns the state to listening

# %%
log(printed())[-4:]

# %% [markdown]
# The reply has ended by itself; the state stays `"speaking"`. So the goodbye, two seconds later,
# "interrupts" a silent agent, and loses its beginning in the way that we know.
#
# ## The manager to be repaired
#
# The frame around the four decisions is given. `turn` holds the frames of the caller's turn.
# `recent` holds the last frames before the present one, whatever they were: the **pre-roll**.
# `silent` counts frames of silence in a row, the present one included.


# %%
class TurnManager:
    """Whose turn is it? A frame may be anything that is to be kept: its number, its samples.

    state: "listening", "thinking" or "speaking". turn: the frames of the caller's turn; they stay
    there while the agent thinks, and it is empty once the reply is heard.
    """

    def __init__(self, preroll=PREROLL, silence=SILENCE):
        self.state, self.turn = "listening", []
        self.recent, self.silent, self.silence = deque(maxlen=preroll), 0, silence

    def on_frame(self, frame, is_speech):
        """Hear a frame; return the actions."""
        self.silent = 0 if is_speech else self.silent + 1
        if self.state == "listening":
            actions = while_listening(self, frame, is_speech)
        elif self.state == "thinking":
            actions = while_thinking(self, frame, is_speech)
        else:
            actions = interrupted(self, frame) if is_speech else []
        self.recent.append(frame)
        return actions

    def commit(self):
        """End the turn; return the action that asks for a reply to it."""
        self.state = "thinking"
        return [("commit", list(self.turn))]

    def on_reply_started(self):
        """A reply begins to sound: the turn that it answers is over for good."""
        self.state, self.turn = "speaking", []

    def on_reply_finished(self):
        """A reply has ended."""
        reply_finished(self)


# %% [markdown]
# ## A turn is one stretch of sound
#
# While we listen there are two cases. Nobody has spoken yet: the turn is empty, silence is not
# kept. Or the turn has begun: then **every** frame belongs to it, pauses too, until `silence`
# frames of silence in a row end it. The first frame of speech takes the pre-roll along.
#
# By hand, with a pre-roll of 2 and a silence of 4:
#
# ```
# frame    0 1 2 3 4 5 6 7 8 9 10 11 12 13
# strip    . . . S S S . . S S .  .  .  .
# silent   1 2 3 0 0 0 1 2 0 0 1  2  3  4
# turn           | begins with 1 2 3    | 13: commit
# ```
#
# Frame 0 is too old for the pre-roll. The pause at 6 and 7 is too short to end anything. The commit
# holds the frames 1 to 13: the words, the pause, and the silence that ended the turn.


# %%
def while_listening(manager, frame, is_speech):
    """Hear a frame while the floor is the caller's; return the actions.

    >>> hold(TurnManager(preroll=2, silence=4), strip("...SSS..SS....")).events
    [(13, 'commit', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])]
    """
    # Exercise ex09.1 (about 7 lines): begin a turn with the pre-roll, keep every frame of it, end it in time
    raise NotImplementedError("Exercise ex09.1: begin a turn with the pre-roll, keep every frame of it, end it in time")


# %%
check("ex09.1")


# %% [markdown]
# Her first line again, through your function. **Predict:** what is different, at its beginning, in
# its middle and at its end?


# %%
def first_commit():
    """Return the frames of the first commit of our call."""
    manager = TurnManager()
    for frame, is_speech in enumerate(speech()):
        for _, frames in manager.on_frame(frame, is_speech):
            return frames
    return []


# %%
print(f"frames {first_commit()[0]} to {first_commit()[-1]}, {len(first_commit())} of them")
heard(first_commit())

# %% [markdown]
# ## An interruption is the beginning of a turn
#
# She speaks while the agent speaks. Three things follow: the agent is told to be silent, the floor
# is the caller's, whose turn began some frames ago. By hand, with a pre-roll of 3 and a silence of
# 4; the agent speaks from before frame 0:
#
# ```
# frame    0 1 2 3 4 5 6 7 8 9 10 11 12
# strip    . . . . . S S . S .  .  .  .
#                    | stop_speaking; the turn is 2 3 4 5
# ```
#
# From frame 6 on `while_listening` does its work, and at frame 12 it commits the frames 2 to 12.


# %%
def interrupted(manager, frame):
    """Hear a frame of speech while the agent speaks; return the actions.

    >>> manager = TurnManager(preroll=3, silence=4)
    >>> manager.on_reply_started()
    >>> hold(manager, strip(".....S")).events
    [(5, 'stop_speaking')]
    >>> manager.state, manager.turn
    ('listening', [2, 3, 4, 5])
    """
    # Exercise ex09.2 (about 3 lines): stop, listen, and begin the turn with all that belongs to it
    raise NotImplementedError("Exercise ex09.2: stop, listen, and begin the turn with all that belongs to it")


# %%
check("ex09.2")

# %% [markdown]
# ## A reply ends
#
# When the agent has said all it had to say, we listen again. One trap: a voice that was stopped
# reports its end too, and often late. By then the caller has the floor, or the agent already thinks
# about what they said, and that must stay so. By hand:
#
# | state, as the report of the end comes | state after it |
# |---|---|
# | speaking | **listening** |
# | listening: the caller interrupted | listening, their turn untouched |
# | thinking: the caller has even finished | thinking, their turn untouched |


# %%
def reply_finished(manager):
    """Hear that a reply has ended, by itself or because it was stopped a moment ago.

    >>> manager = TurnManager()
    >>> manager.on_reply_started()
    >>> manager.on_reply_finished()
    >>> manager.state
    'listening'
    """
    # Exercise ex09.3 (about 2 lines): give the floor back, if the agent still has it
    raise NotImplementedError("Exercise ex09.3: give the floor back, if the agent still has it")


# %%
check("ex09.3")

# %% [markdown]
# ## She goes on while the agent thinks
#
# The caller paused for longer than 500 ms, we committed, and now they say more. It is the same
# turn, and the reply in the making is to half of it: we cancel it and listen on. The turn must
# stay one stretch of sound, so the silent frames in which the agent thinks belong to it as well,
# in case they speak again. By hand, with a silence of 4:
#
# ```
# frame    0 1 2 3 4 5 6 7 8 9 10 11 12 13
# strip    S S . . . . . . S S .  .  .  .
#                    |     |            | 13: commit, frames 0 to 13
#                    |     | 8: cancel_reply
#                    | 5: commit, frames 0 to 5
# ```


# %%
def while_thinking(manager, frame, is_speech):
    """Hear a frame while the agent thinks; return the actions.

    >>> hold(TurnManager(silence=4), strip("SS......SS....")).events[1:]
    [(8, 'cancel_reply'), (13, 'commit', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])]
    """
    # Exercise ex09.4 (about 5 lines): keep the frame; if it is speech, cancel the reply and listen on
    raise NotImplementedError("Exercise ex09.4: keep the frame; if it is speech, cancel the reply and listen on")


# %%
check("ex09.4")

# %% [markdown]
# ## The same call, repaired
#
# **Predict:** how many commits, and how many of them are answered?


# %%
@cache
def repaired():
    """Return our call, held with the repaired manager."""
    return hold(TurnManager(), speech(), REPLIES)


# %%
draw(the_printed_manager=printed(), the_repaired_manager=repaired())

# %%
for name, held in (("printed", printed()), ("repaired", repaired())):
    print(f"{name}: {len(commits(held))} commits, {len(lost(held))} frames of speech lost")

# %% [markdown]
# Four, and three are answered: the second was taken back, and the third begins with it. To the
# ear, the turn that was lost and is found:

# %%
print(words(heard(commits(repaired())[2])))
heard(commits(repaired())[2])

# %% [markdown]
# One fault is left, and it is ours too. A cup is put down, the VAD takes it for speech for a single
# frame:

# %%
manager = TurnManager()
manager.on_reply_started()
hold(manager, strip("....S" + 20 * ".")).events

# %% [markdown]
# The agent falls silent for a cup, and then answers it. Exercise 5 counts frames before it believes
# in speech; voxlab's turn manager also only *pauses* the agent, and gives the floor away when words
# were heard.
#
# ## What we take along
#
# 1. A turn is **one stretch of sound**, from a pre-roll to the end of a silence. What a detector
#    calls silence is part of what was said.
# 2. Every state has an answer to **every** event: to speech while we think, to a reply that ends,
#    to an end that comes late. Faults live in the pairs that nobody wrote down.
# 3. A decision that has no clock and makes no sound is **tested with a strip of letters**.
#
# voxlab's manager writes all the pairs down, in a table, with one rule for each. It is a function
# from a turn and an event to the next turn and what to do. Where we always wait for 16 frames, it
# can also ask a small network whether the turn sounds finished.

# %%
from voxlab import show_source
from voxlab.turn_taking import AgentFinished, UserStarted, manager

for (state, event), rule in manager.TABLE.items():
    if event in (UserStarted, AgentFinished):
        print(f"{state.value:12} {event.__name__:14} {rule.__name__.strip('_')}")
show_source(manager.step)
