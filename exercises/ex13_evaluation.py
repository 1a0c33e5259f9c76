# %% [markdown]
# # Exercise 13: Voice agent evaluation (19.7.4)
#
# **Four agents hold the same forty calls. Three of them have become worse, each in its own way, and
# every one of them would pass a chatbot's tests. Which is which, and how sure may we be?**
#
# *120 minutes, 15 points. We build an evaluation framework in miniature: times from stretches of
# speech, percentiles that may say "too few", word and entity accuracy, recovery from interruptions,
# tasks judged by the state of the database, pass^k, and a gate that fails only on what the data
# support.*
#
# This is exercise 19.7.4 of the chapter. Its sketch names P50 and P95 of the TTFB, total turn
# latency, task completion, word error rate, interruption recovery and a rating. Lesson 08 has the
# stages of a turn, lesson 10 the interruptions. Read, fill in what says "Exercise", and run the
# `check` below it. Five of the fifteen points are for hidden tests: other agents, other numbers.

# %%
import re
from math import comb

import numpy as np

from voxlab import check

# %% [markdown]
# ## What a judge gets
#
# A judge does not ask the agent how it was. It gets the recording, as **stretches of speech** of
# both sides, and what the world looks like afterwards. This is a call of one question and one
# answer; times are seconds of the call:
#
# ```
# user:  [[1.0, 3.0]]
# agent: [[3.9, 6.0]]
# ```
#
# ## Times
#
# For each turn of the caller, the **reply** is the first stretch of the agent that begins after the
# user has begun, and before the caller begins the next turn. By hand:
#
# | user | agent | TTFB | |
# |---|---|---|---|
# | 1.0 to 3.0 | 3.9 to 6.0 | 0.9 s | |
# | 7.0 to 9.0 | **8.5** to 10.0 | none | **cut in**: it began before the caller was done |
# | 12.0 to 13.0 | | none | **missed**: nothing comes before 16.0 |
# | 16.0 to 17.0 | 17.5 to 18.0, 18.3 to 19.0 | 0.5 s | the first stretch counts |
#
# A cut-in has no TTFB. An agent that starts 0.5 s too early must not improve the mean by it.


# %%
def judge_turns(user, agent):
    """Return {"ttfb_s": seconds or None, "cut_in": bool, "missed": bool} for each caller turn.

    user, agent: lists of [start_s, end_s], in order.

    >>> judge_turns([[1.0, 3.0]], [[3.5, 6.0]])
    [{'ttfb_s': 0.5, 'cut_in': False, 'missed': False}]
    """
    # Exercise ex13.1 (about 8 lines): for each turn, the first stretch that begins before the next turn
    raise NotImplementedError("Exercise ex13.1: for each turn, the first stretch that begins before the next turn")


# %%
check("ex13.1")

# %% [markdown]
# ## Percentiles that may say "too few"
#
# P50 is what callers usually wait, P95 what one in twenty waits at least. Of 8 waits, the 95th
# percentile is the slowest by another name: it says something about one call. The rule: a
# percentile needs **10 values, and 20 if it is above the 90th**; otherwise it is None, and a report
# shows "N/A" with the count. Turns without a TTFB do not count.


# %%
def percentile(times_s, percent):
    """Return a percentile of the times that are not None; None of too few. As np.percentile.

    >>> percentile([0.5] * 9 + [None], 50)
    >>> float(percentile([0.5] * 10, 50))
    0.5
    """
    # Exercise ex13.2 (about 4 lines): leave out None, count, then np.percentile
    raise NotImplementedError("Exercise ex13.2: leave out None, count, then np.percentile")


# %%
check("ex13.2")

# %% [markdown]
# ## Accuracy: words, and those that matter
#
# The **word error rate** of a suite is pooled: all errors over all words said. By hand:
#
# | said | heard | errors | words |
# |---|---|---|---|
# | yes | yeah | 1 | 1 |
# | where is my order number 12345 | where is my order number 12845 | 1 | 6 |
#
# Pooled, that is 2 / 7 = 29%. The mean of 100% and 17% would be 58%: one word weighs as much as a
# sentence.
#
# But which word was wrong? In the second row the agent looks up another customer's order. So we
# count by themselves the **entities**: the numbers. The share of utterances that have numbers, and
# of which *all* numbers, in order, were heard: here 0 of 1. The first row has no number and does
# not count.


# %%
def edits(said, heard):
    """Return the fewest words to replace, leave out or add, as exercise 19.7.2 counts them."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(said, 1):
        before, row = row, [count]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j - 1] + (word != other), before[j] + 1, row[j - 1] + 1))
    return row[-1]


# %%
def accuracy(pairs):
    """Return (pooled word error rate, share of utterances with all their numbers heard).

    pairs: (said, heard) texts; words are what split() gives. None for a share of nothing.

    >>> accuracy([("yes", "yes"), ("order 12345", "order 12345")])
    (0.0, 1.0)
    """
    # Exercise ex13.3 (about 6 lines): sums of errors and words; then the utterances with numbers
    raise NotImplementedError("Exercise ex13.3: sums of errors and words; then the utterances with numbers")


# %%
check("ex13.3")

# %% [markdown]
# ## Recovery from an interruption
#
# The caller speaks over the agent. A good agent falls silent, listens, and answers. Three parts,
# and one verdict:
#
# - `yield_s`: from the caller's first sound to the end of the agent's stretch that it fell into.
# - `reply_s`: from the caller's last sound to the next stretch that the agent begins **after the
#   user's first sound**; negative if the caller was not done.
# - `recovered`: it yielded within **2.0 s**, and replied within **3.0 s** and not before the caller
#   was done.
#
# By hand: the agent speaks from 1.0 to 4.3, the caller from 4.0 to 5.5, the agent again from 6.5.
# Then `yield_s` is 0.3, `reply_s` is 1.0, and it has recovered.


# %%
def recovery(user, agent):
    """Return {"yield_s", "reply_s", "recovered"} of an interruption; reply_s None without a reply.

    user: [start_s, end_s] of the interruption; agent: list of [start_s, end_s].

    >>> recovery([4.0, 5.5], [[1.0, 4.25], [6.5, 8.0]])
    {'yield_s': 0.25, 'reply_s': 1.0, 'recovered': True}
    """
    # Exercise ex13.4 (about 5 lines): the stretch around the caller's start, and the first one after it
    raise NotImplementedError("Exercise ex13.4: the stretch around the caller's start, and the first one after it")


# %%
check("ex13.4")

# %% [markdown]
# ## Was the task done?
#
# "Your table is booked" is a claim. The database is a fact. A task is done if the state afterwards
# is the state before **with exactly the wanted changes**: no less, and no more. By hand:
#
# | before | wanted | after | done |
# |---|---|---|---|
# | Kim: Friday | Lee: Monday | Kim: Friday, Lee: Monday | yes |
# | Kim: Friday | Lee: Monday | Kim: Friday | no: nothing was written |
# | Kim: Friday | Lee: Monday | Lee: Monday | no: Kim's table is gone |
# | Kim: Friday | Kim: nothing | | yes: it was cancelled |
#
# A wanted value of None means that the entry is gone.


# %%
def task_done(before, wanted, after):
    """Tell whether the state afterwards is the one before, with the wanted changes and no others.

    >>> task_done({"Kim": "Friday"}, {"Kim": None}, {})
    True
    """
    # Exercise ex13.5 (about 2 lines): make the state that should be, and compare
    raise NotImplementedError("Exercise ex13.5: make the state that should be, and compare")


# %%
check("ex13.5")

# %% [markdown]
# ## Again and again: pass^k
#
# A caller does not care that the agent succeeds in three calls of four. **pass^k** is how likely k
# calls of the same task *all* succeed. With c successes in n trials, of all sets of k trials the
# share without a failure is
#
# $$\frac{\binom{c}{k}}{\binom{n}{k}}$$
#
# and over several tasks we take the mean. By hand, n = 4: a task with c = 3 has pass^1 = 3/4,
# pass^2 = 3/6 and pass^4 = 0.


# %%
def pass_k(successes, trials, k):
    """Return pass^k: successes of each task, out of so many trials.

    >>> pass_k([3], trials=4, k=2)
    0.5
    """
    # Exercise ex13.6 (about 1 line): the share of each task, then the mean
    raise NotImplementedError("Exercise ex13.6: the share of each task, then the mean")


# %%
check("ex13.6")

# %% [markdown]
# ## Four planted agents
#
# Now some calls. `hold_calls` draws them; each has three turns, and a task. All four agents say the
# same words: a text test of their answers finds no difference.
#
# - **steady** is last month's agent.
# - **hasty** waits less at the end of a turn.
# - **forgetful** keeps in its history what nobody heard, so that after an interruption it goes on
#   as if the caller knew the day.
# - **silent** has lost its filler: while a tool runs, nobody says anything.


# %%
def hold_calls(agent, seed, count=40):
    """Return so many drawn calls: {"user": ..., "agent": ..., "before", "wanted", "after"}."""
    rng, calls = np.random.default_rng(seed), []
    for number in range(count):
        user, replies, at_s = [], [], 1.0
        for _ in range(3):
            asks_s, needs_tool = rng.uniform(1.0, 3.0), rng.random() < 0.4
            wait_s = rng.normal(0.45 if agent == "hasty" else 0.8, 0.1)
            if needs_tool and agent == "silent":
                wait_s += rng.uniform(2.5, 4.0)
            if rng.random() < (0.3 if agent == "hasty" else 0.03):
                wait_s = -rng.uniform(0.1, 0.6)
            begin_s = at_s + asks_s + wait_s
            user.append([at_s, at_s + asks_s])
            replies.append([begin_s, begin_s + rng.uniform(1.0, 4.0)])
            at_s = max(user[-1][1], replies[-1][1]) + rng.uniform(0.3, 1.0)
        fails = rng.random() < {"forgetful": 0.35, "hasty": 0.2}.get(agent, 0.05)
        wanted = {f"guest {number}": "Friday"}
        states = {"before": {}, "wanted": wanted, "after": {} if fails else wanted}
        calls.append({"user": user, "agent": replies, **states})
    return calls


# %% [markdown]
# Each call gives four measures, and **in each of them less is better**:
#
# | measure | of a call |
# |---|---|
# | `wait_s` | the mean of its TTFBs; None if there is none |
# | `cut_ins` | how many turns were cut in |
# | `dead_air` | how many TTFBs are over **2.0 s**, and missed turns |
# | `failed` | 1 if the task was not done, else 0 |


# %%
def measure(call):
    """Return {"wait_s", "cut_ins", "dead_air", "failed"} of a call.

    >>> one = {"user": [[1.0, 3.0]], "agent": [[3.5, 6.0]], "before": {}, "wanted": {}, "after": {}}
    >>> {name: float(value) for name, value in measure(one).items()}
    {'wait_s': 0.5, 'cut_ins': 0.0, 'dead_air': 0.0, 'failed': 0.0}
    """
    # Exercise ex13.7 (about 8 lines): judge the turns and the task, then count
    raise NotImplementedError("Exercise ex13.7: judge the turns and the task, then count")


# %%
check("ex13.7")

# %%
for name in ("steady", "hasty", "forgetful", "silent"):
    measures = [measure(call) for call in hold_calls(name, seed=1)]
    means = {key: np.mean([m[key] for m in measures if m[key] is not None]) for key in measures[0]}
    print(f"{name:10}", "  ".join(f"{key} {value:.2f}" for key, value in means.items()))

# %% [markdown]
# **Predict:** which of these differences would you report to the team, and which may be chance?
#
# ## The gate
#
# A gate in CI compares a **candidate** with a **baseline** on the same calls, pair by pair. For
# each measure:
#
# 1. take the differences, candidate less baseline, of the pairs in which neither is None;
# 2. with **fewer than six** differences, say nothing;
# 3. resample them as in exercise 19.7.2: 4000 times, `np.random.default_rng(0)` for each measure
#    anew, `rng.integers(n, size=(4000, n))`; take the **mean** of each resample, and of these means
#    the percentiles 2.5 and 97.5;
# 4. if the whole interval lies **above 0**, the candidate is worse in this measure.
#
# An honest gate is silent about a twin of the baseline, and about two calls.


# %%
def regressions(baseline, candidate):
    """Return the names of the measures in which the candidate is worse beyond doubt, in order.

    baseline, candidate: lists of what `measure` returns, of the same calls.

    >>> fine = {"cut_ins": 0, "dead_air": 0, "failed": 0}
    >>> quick, slow = [{"wait_s": 1.0, **fine}] * 8, [{"wait_s": 2.0, **fine}] * 8
    >>> regressions(quick, slow), regressions(slow, quick)
    (['wait_s'], [])
    """
    # Exercise ex13.8 (about 12 lines): paired differences, their resampled means, the interval above 0
    raise NotImplementedError("Exercise ex13.8: paired differences, their resampled means, the interval above 0")


# %%
check("ex13.8")


# %%
def measures_of(agent, seed):
    """Return the measures of an agent's calls."""
    return [measure(call) for call in hold_calls(agent, seed)]


# %%
for name in ("steady", "hasty", "forgetful", "silent"):
    worse = regressions(measures_of("steady", seed=1), measures_of(name, seed=2))
    print(f"{name:10} worse in: {worse}")

# %% [markdown]
# The hasty agent is *quicker*, and worse. A composite score would have added the two up.
#
# ## On a real call
#
# voxlab's judge does the same from sound. The call is held by the real engines; the judge gets the
# recording only.


# %%
def hold_and_judge(script):
    """Hold a call, print what its recording tells, and return it."""
    from voxlab import data, load_script, play, shop_agent
    from voxlab.evaluation import judge_recording

    call = play(load_script(data.path(script)), shop_agent())
    for turn in judge_recording(call).turns:
        wait = "cut in or missed" if turn.ttfb_s is None else f"TTFB {turn.ttfb_s:.2f} s"
        yielded = f", spoken over: silent after {turn.yield_s:.2f} s" if turn.over_agent else ""
        print(f"{turn.start_s:6.2f} to {turn.end_s:6.2f} s  {wait}{yielded}")
    return call


# %%
hold_and_judge("calls/barge_in.yaml")

# %% [markdown]
# ## Open questions (for a discussion; no points)
#
# 1. A chatbot is tested with text in, text out. Which of the three faults above does such a test
#    find? What does it find that our audio test does not, and what does each cost to run?
# 2. What about **satisfaction**? A recording shows that callers repeat themselves, or hang up in
#    mid-sentence. Name two things that it does not show. Whom would you ask, and when?
# 3. All voices in this exercise are synthetic. Which of its figures will be too good?
