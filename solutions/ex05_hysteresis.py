# %% [markdown]
# # Exercise 5: When is somebody speaking?
#
# **A detector gives a probability every 32 ms. How do we get from there to "the caller speaks from
# 5.6 to 8.0 s"?**
#
# *40 minutes, 5 points. We hear a caller in a loud cafe, see the probabilities of a real detector
# flicker, and tame them in three steps. In the end we cut the caller's words out of the noise and
# hear what is left.*
#
# This is the small machine behind barge-in in section 39.1.2 (its note names a threshold of 0.5
# and a minimum of silence) and the one that section 39.1.5 warns about: what works in an office
# fails in a coffee shop. Read, fill in what says "Exercise", and run the `check` below it. Each
# part earns its own points; one test is hidden and checks the same on input that you do not see.

# %%
from functools import cache

import numpy as np

from voxlab import audio, check, data, speech_probabilities
from voxlab.vad import FRAME_S

# %% [markdown]
# ## The caller
#
# Three lines of a caller, 0.8 s of pause around each, and a cafe that is only 3 dB softer than
# the voice. In the first line the caller stops to think.


# %%
LINES = ("hesitate_booking", "correct_number", "goodbye")


@cache
def cafe_call():
    """Return a caller in a cafe, and how likely each frame of 32 ms is speech: (frames,)."""
    pause = audio.silence(0.8, 16_000)
    parts = [part for line in LINES for part in (pause, data.utterance(line).audio)]
    caller = audio.concatenate([*parts, pause])
    voices = [prompt.audio for prompt in data.prompts("en")]
    cafe = audio.babble(voices, caller.duration_s, np.random.default_rng(2))
    recording = audio.mix(caller, cafe, snr_db=3)
    return recording, speech_probabilities(recording)


# %%
for line in LINES:
    print(data.utterance(line).text)
cafe_call()[0]

# %% [markdown]
# Silero's network hears this and says how likely each frame is speech. The first idea that comes to
# mind is one threshold: speech is where the probability reaches 0.5. **Predict:** each of the three
# lines has a breath or a thought in the middle, so there are six stretches of speech. How many will
# one threshold find?


# %%
def runs(frames):
    """Return where a list of booleans is true, as (start_s, end_s)."""
    edges_s = np.flatnonzero(np.diff([False, *frames, False])) * FRAME_S
    return list(zip(edges_s[::2], edges_s[1::2], strict=True))


# %%
def draw(**lanes):
    """Draw the probabilities of the call, and below them a lane for each list of segments."""
    import matplotlib.pyplot as plt

    from voxlab.plots import AGENT, ERROR, USER

    look = {"figsize": (11, 2.4 + 0.45 * len(lanes)), "layout": "constrained"}
    _, (top, low) = plt.subplots(2, 1, sharex=True, height_ratios=(3, len(lanes)), **look)
    probabilities = cafe_call()[1]
    times_s = np.arange(len(probabilities)) * FRAME_S
    top.step(times_s, probabilities, where="post", color=USER, label="probability of speech")
    top.axhline(0.5, color=AGENT, linestyle="--", label="threshold 0.5")
    top.axhline(0.35, color=ERROR, linestyle=":", label="exit threshold 0.35")
    top.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    top.set_ylabel("probability")
    _draw_lanes(low, lanes, USER)


def _draw_lanes(ax, lanes, color):
    for y, segments in enumerate(lanes.values()):
        ax.broken_barh([(s, e - s) for s, e in segments], (y - 0.35, 0.7), color=color, alpha=0.7)
    names = [f"{name.replace('_', ' ')}: {len(found)}" for name, found in lanes.items()]
    ax.set(yticks=range(len(lanes)), yticklabels=names, xlabel="time (s)")
    ax.set_ylim(len(lanes) - 0.5, -0.5)


# %%
draw(one_threshold=runs(cafe_call()[1] >= 0.5))

# %% [markdown]
# Ten. At the soft end of a word the probability wavers around 0.5, and every crossing counts:
# look at the moments near 2.2 and 5 s.
#
# ## Two thresholds
#
# A room's thermostat has the same trouble and an old answer: **hysteresis**. Speech begins when
# the probability is *at or above* the threshold (0.5). It ends when the probability is *below* a
# lower one, the exit threshold (0.35). Between the two nothing changes: it stays as it was.
# Before the first frame nobody speaks.
#
# By hand:
#
# | frame | 0 | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|---|
# | probability | 0.2 | 0.5 | 0.4 | 0.35 | 0.3 | 0.4 |
# | speaking | no | **yes** | yes | yes | **no** | no |
#
# Frames 2 and 5 have the same probability and different answers: what counts is where we came
# from. And 0.35 itself is not below 0.35.


# %%
def speaking_frames(probabilities, threshold=0.5, exit_threshold=0.35):
    """Tell for each frame whether speech is on: a list of booleans.

    >>> speaking_frames([0.2, 0.5, 0.4, 0.35, 0.3, 0.4])
    [False, True, True, True, False, False]
    """
    # BEGIN SOLUTION ex05.1: go through the frames and remember whether speech is on
    frames, speaking = [], False
    for probability in probabilities:
        speaking = bool(probability >= (exit_threshold if speaking else threshold))
        frames.append(speaking)
    return frames
    # END SOLUTION ex05.1


# %%
check("ex05.1")

# %%
draw(
    one_threshold=runs(cafe_call()[1] >= 0.5),
    two_thresholds=runs(speaking_frames(cafe_call()[1])),
)

# %% [markdown]
# Seven. The flicker is gone; the short dips within a sentence are not.
#
# ## A minimum of speech, a minimum of silence
#
# A cup on a saucer is one loud frame, and it must not stop an agent that speaks. A closed mouth
# before a "p" is three silent frames, and it must not end a turn. So we do not believe a single
# frame: speech begins after `min_speech` frames **in a row** at or above the threshold, and ends
# after `min_silence` frames **in a row** below the exit threshold. One counter is enough, of
# frames that speak *against* what we believe now. A frame that does not sets it back to zero.
#
# We know late, but we report the truth: a segment starts with the **first** of those frames, and
# ends where the **first** of the silent ones began. By hand, with `min_speech=2` and
# `min_silence=3`:
#
# | frame | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
# |---|---|---|---|---|---|---|---|---|---|---|
# | probability | 0.9 | 0.1 | 0.9 | 0.8 | 0.2 | 0.2 | 0.4 | 0.1 | 0.1 | 0.2 |
# | against | 1 | 0 | 1 | **2** | 1 | 2 | 0 | 1 | 2 | **3** |
# | speaking, once the frame is heard | no | no | no | yes | yes | yes | yes | yes | yes | no |
#
# Frame 0 is a click. At frame 3 we know that speech is on, since frame 2. The dip at 4 and 5 is
# too short. At frame 9 we know that it is over, since frame 7. So there is one segment, from
# frame 2 to frame 7: 2 · 0.032 = 0.064 s to 7 · 0.032 = 0.224 s.
#
# If the recording ends while speech is on, the segment ends there, or where the silence began
# that was still being counted.


# %%
def find_segments(probabilities, min_speech=2, min_silence=7, threshold=0.5, exit_threshold=0.35):
    """Return where somebody speaks: a list of (start_s, end_s).

    min_speech, min_silence: in frames of FRAME_S seconds, 1 or more.

    >>> find_segments([0.9, 0.1, 0.9, 0.8, 0.2, 0.2, 0.4, 0.1, 0.1, 0.2], 2, 3)
    [(0.064, 0.224)]
    """
    # BEGIN SOLUTION ex05.2: count the frames in a row against what we believe; turn when enough
    segments, speaking, against, start = [], False, 0, 0
    for heard, probability in enumerate(probabilities, 1):
        disagrees = probability < exit_threshold if speaking else probability >= threshold
        against = against + 1 if disagrees else 0
        if against < (min_silence if speaking else min_speech):
            continue
        if speaking:
            segments.append((start * FRAME_S, (heard - against) * FRAME_S))
        start = heard - against
        speaking, against = not speaking, 0
    if speaking:
        segments.append((start * FRAME_S, (len(probabilities) - against) * FRAME_S))
    return segments
    # END SOLUTION ex05.2


# %%
check("ex05.2")

# %%
draw(
    one_threshold=runs(cafe_call()[1] >= 0.5),
    two_thresholds=runs(speaking_frames(cafe_call()[1])),
    minimum_lengths=find_segments(cafe_call()[1]),
)

# %% [markdown]
# **Predict before you run the next cell:** how long must the silence be until the first line,
# with its pause for thought, is one segment? And what does that cost the caller who has finished?

# %%
for min_silence in (1, 3, 7, 10, 14, 16, 31):
    found = find_segments(cafe_call()[1], min_silence=min_silence)
    spans = ", ".join(f"{start_s:.1f}-{end_s:.1f}" for start_s, end_s in found)
    print(f"silence {1000 * min_silence * FRAME_S:4.0f} ms: {len(found)} found: {spans}")

# %% [markdown]
# Her thought lasts 0.48 s. A silence long enough to bear with it also swallows the pause between
# the first two lines, because in a cafe no pause is quite silent. And every answer comes later by
# just as much. Section 39.1.5 calls this a compromise.
#
# ## Room for soft beginnings
#
# A word begins softer than the detector's threshold: an "h", an "f". Before we hand a segment to
# a recogniser we widen it by `padding_s` on both sides. Two rules:
#
# - a segment never leaves the recording, which lasts `duration_s`;
# - where two paddings would overlap they meet in the **middle** of the gap, so that no sound is
#   heard twice.
#
# By hand, with 0.3 s of padding in a recording of 5 s: (0.2, 1.0) and (1.4, 4.0). The first would
# start at -0.1 and starts at 0. It would end at 1.3, the second would start at 1.1: they meet in
# the middle of 1.0 and 1.4, at 1.2. The second ends at 4.3.


# %%
def pad(segments, padding_s, duration_s):
    """Widen segments, a list of (start_s, end_s) in order, by padding_s where there is room.

    >>> pad([(0.2, 1.0), (1.4, 4.0)], 0.3, 5.0)
    [(0.0, 1.2), (1.2, 4.3)]
    """
    # BEGIN SOLUTION ex05.3: each side moves by padding_s, but not beyond the middle of the gap
    padded = []
    for index, (start_s, end_s) in enumerate(segments):
        earliest_s, latest_s = 0.0, duration_s
        if index > 0:
            earliest_s = (segments[index - 1][1] + start_s) / 2
        if index + 1 < len(segments):
            latest_s = (end_s + segments[index + 1][0]) / 2
        padded.append((max(start_s - padding_s, earliest_s), min(end_s + padding_s, latest_s)))
    return padded
    # END SOLUTION ex05.3


# %%
check("ex05.3")


# %%
def her_words():
    """Return the padded segments of the call."""
    recording, probabilities = cafe_call()
    return pad(find_segments(probabilities), 0.3, recording.duration_s)


# %%
draw(
    one_threshold=runs(cafe_call()[1] >= 0.5),
    two_thresholds=runs(speaking_frames(cafe_call()[1])),
    minimum_lengths=find_segments(cafe_call()[1]),
    padded=her_words(),
)

# %% [markdown]
# And to the ear: what we found, with half a second of true silence between the segments. Is a
# word missing, or is there a neighbour who does not belong?

# %%
gap = audio.silence(0.5, 16_000)
pieces = []
for segment in her_words():
    pieces += [cafe_call()[0].between(*segment), gap]
audio.concatenate(pieces)

# %% [markdown]
# ## What we take along
#
# 1. A threshold needs a **memory**: two thresholds, and between them all stays as it was.
# 2. Minimum lengths buy certainty with **delay**. The segment is dated back; the wait is not.
# 3. In noise every one of these numbers is a compromise, and the room decides which.
#
# The library's twin hears one frame at a time and tells a start and a stop as they become known;
# a call's barge-in hangs on it:

# %%
from voxlab import show_source
from voxlab.vad import endpointing

show_source(endpointing.step)
