# %% [markdown]
# # Exercise 11: G.711 by hand
#
# **How does a sample of fourteen bits fit into eight, so that nobody on the telephone notices?**
#
# *25 minutes, 1 point. We write the byte of a sample by hand, then as a function. We hear a voice
# through it, beside the same voice in eight equal bits, and measure which samples each of them
# hurts.*
#
# Section 39.1.6 sets `encoding="mulaw"` and `sample_rate=8000` for telephone calls. This is what
# the first of the two means: ITU-T G.711, the code of the telephone network since 1972. Read,
# fill in what says "Exercise", and run the `check` below it.

# %%
import numpy as np

from voxlab import Audio, check, data
from voxlab.telephony import MULAW

# %% [markdown]
# ## Equal steps are a waste
#
# Eight bits have 256 values. Spread evenly over -8192 to 8191, each stands for 64 neighbours: a
# loud sample of 4000 is off by less than 1%, and a soft one of 30 is gone. Speech is soft most of
# the time. So mu-law has **short steps for soft samples and long ones for loud samples**: the error
# is about the same share of every sample.
#
# The byte has three fields: a sign, a segment, and a step within the segment.
#
# | bit | 7 | 6 5 4 | 3 2 1 0 |
# |---|---|---|---|
# | field | sign: 0 or 1 | segment: 0 to 7 | step: 0 to 15 |
#
# 1. **Size.** Drop the sign. What is beyond 8158 counts as 8158. Add the *bias*, 33: now the size
#    is 33 to 8191.
# 2. **Segment.** Segment 0 holds sizes below 64, segment 1 those below 128, segment 2 those below
#    256, and so on: each segment is twice as long as the one before. Segment 7 ends at 8191.
# 3. **Step.** Each segment has 16 steps. In binary a size is a leading 1, then **four bits that are
#    the step**, then bits that are dropped: one in segment 0, two in segment 1, `segment + 1`.
# 4. **Sign.** Bit 7 is 1 for a negative sample.
# 5. **Inversion.** All eight bits are turned over. Silence becomes 11111111, which kept old
#    telephone lines in step: they lost the beat in a row of zeros.
#
# By hand, for 250 and for -250:
#
# - size: 250 + 33 = 283, in binary 1 **0001** 1011;
# - segment: 283 is below 512 and not below 256, so 3;
# - step: the four bits after the leading 1, so 0001. The last four bits are dropped;
# - 250: sign 0, segment 011, step 0001 is 0 011 0001; turned over 1 100 1110, which is 206;
# - -250: sign 1, so 1 011 0001; turned over 0 100 1110, which is 78.


# %%
def mulaw_code(value):
    """Return the byte of a sample, 0 to 255.

    value: a whole number of 14 bits, -8192 to 8191. 0 is positive.

    >>> mulaw_code(250), mulaw_code(-250), mulaw_code(0), mulaw_code(8191)
    (206, 78, 255, 128)
    """
    # BEGIN SOLUTION ex11.1: size with bias, segment, step, sign, and all bits turned over
    size = min(abs(value), 8158) + 33
    segment = size.bit_length() - 6
    step = (size >> (segment + 1)) & 0b1111
    sign = 0b1000_0000 if value < 0 else 0
    return (sign | segment << 4 | step) ^ 0b1111_1111
    # END SOLUTION ex11.1


# %%
check("ex11.1")

# %% [markdown]
# ## Hear it
#
# A voice at 8 kHz through your bytes and back. The decoder is the library's: it takes the middle of
# each step. **Predict** before you run the two cells: which will have more hiss, your logarithmic
# byte or a byte of equal steps?


# %%
def voice():
    """Return a sentence at 8 kHz, 20 dB softer than it could be: far from the microphone."""
    spoken = data.prompts("en")[7].audio.resample(8000)
    return Audio(0.1 * spoken.samples / np.abs(spoken.samples).max(), 8000)


def by_mulaw(samples):
    """Return samples as they come out of your bytes."""
    values = np.floor(np.clip(samples, -1, 8191 / 8192) * 8192).astype(int)
    return MULAW.decode(bytes(mulaw_code(int(value)) for value in values))


def by_equal_steps(samples):
    """Return samples as they come out of eight bits in equal steps."""
    return (np.floor(samples * 128) + 0.5) / 128


# %%
Audio(by_mulaw(voice().samples), 8000)

# %%
Audio(by_equal_steps(voice().samples), 8000)


# %% [markdown]
# And in numbers: the signal-to-noise ratio at eight levels of the same voice.


# %%
def snr_db(samples, through):
    """Return how far the error lies below the signal, in dB."""
    error = through(samples) - samples
    return 10 * np.log10(np.mean(samples**2) / np.mean(error**2))


# %%
for level_db in range(0, -48, -6):
    loud = voice().samples * 10 ** ((20 + level_db) / 20)
    both = [snr_db(loud, through) for through in (by_mulaw, by_equal_steps)]
    print(f"peak at {level_db:4d} dB: mu-law {both[0]:5.1f} dB, equal steps {both[1]:5.1f} dB")

# %% [markdown]
# At full level equal steps are even a decibel better. But they lose 6 dB with every 6 dB that the
# speaker moves away. mu-law loses little, until the voice is so soft that mostly segment 0 is left,
# whose steps are equal.
#
# ## Three takeaways
#
# 1. A byte of G.711 is a sign, a segment and a step: a small **floating-point number**.
# 2. Its error is a **share of the sample**, so a soft speaker sounds as clean as a loud one.
# 3. It costs 8000 · 8 = 64 kbit/s, and **no delay**: each sample is coded by itself.
#
# The library does all samples at once, with the same steps. Its input has 16 bits, so it drops two:

# %%
from voxlab import show_source
from voxlab.telephony import g711

show_source(g711._mulaw_compress)
