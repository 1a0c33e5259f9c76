# %% [markdown]
# # Exercise 3: A quantizer of your own
#
# **How do 64 numbers become eight small ones, and a voice again?**
#
# *45 minutes, 6 points. We build a residual vector quantizer from nothing: the nearest code, the
# chain of residuals, the sum that brings the vector back, the bitrate, and one step of learning.
# We see its cells in the plane. Then it takes the place of the quantizer in voxlab's codec, and we
# hear a voice through it.*
#
# This is the note in section 39.1.2 and the left half of Figure 39.1.2. Everything here is numpy
# arrays: vectors are (frames, features), a codebook is (codes, features), codes are whole numbers
# (stages, frames). Read, fill in what says "Exercise", and run the `check` below it. Each part
# earns its own points; one test is hidden and checks the same on other input.

# %%
import math

import numpy as np

from voxlab import MiniCodec, check, data

# %% [markdown]
# ## The nearest code
#
# A **codebook** is a table of vectors, its **codewords**. We send the number of the codeword that
# is nearest. This one has three:
#
# | code | 0 | 1 | 2 |
# |---|---|---|---|
# | codeword | (4, 1) | (1, 3) | (-2, 0) |
# | squared distance from (2, 2) | 4 + 1 = 5 | 1 + 1 = **2** | 16 + 4 = 20 |
#
# Code 1 is nearest. There is a quicker way than to subtract 1024 codewords from every frame:
# |v − e|² = |v|² − 2 v·e + |e|², and |v|² is the same for all codewords. So the nearest codeword
# has the **largest** v·e − |e|²/2, and one matrix product `vectors @ codebook.T` gives all the
# v·e. By hand:
#
# | code | 0 | 1 | 2 |
# |---|---|---|---|
# | v·e | 8 + 2 = 10 | 2 + 6 = 8 | -4 |
# | \|e\|²/2 | 17/2 = 8.5 | 10/2 = 5 | 4/2 = 2 |
# | difference | 1.5 | **3** | -6 |
#
# Both ways earn the point. Of codewords that are equally near, take the first. The codebook, and
# the one of a second stage that we shall need soon:

# %%
COARSE = np.array([[4.0, 1.0], [1.0, 3.0], [-2.0, 0.0]])
FINE = np.array([[2.0, 1.0], [0.0, -1.0], [-1.0, 1.0]])


# %%
def nearest(vectors, codebook):
    """Return the number of the nearest codeword of each vector: whole numbers (frames,).

    vectors: array (frames, features); codebook: array (codes, features).

    >>> nearest(np.array([[2.0, 2.0], [-3.0, 0.0]]), COARSE)
    array([1, 2])
    """
    # BEGIN SOLUTION ex03.1: the codeword with the smallest distance, for each vector
    scores = vectors @ codebook.T - (codebook**2).sum(1) / 2
    return scores.argmax(1)
    # END SOLUTION ex03.1


# %%
check("ex03.1")

# %% [markdown]
# ## The chain of residuals
#
# The codeword misses something: the **residual**. The next stage has a codebook of its own, and
# quantizes what is left. Say that the second codebook is (2, 1), (0, -1), (-1, 1). By hand, for
# three vectors:
#
# | vector | stage 1: code, codeword | left | stage 2: code, codeword | left |
# |---|---|---|---|---|
# | (2, 2) | 1, (1, 3) | (1, -1) | 1, (0, -1) | (1, 0) |
# | (5, 2) | 0, (4, 1) | (1, 1) | 0, (2, 1) | (-1, 0) |
# | (3, 4) | 1, (1, 3) | (2, 1) | 0, (2, 1) | (0, 0) |
#
# The codes are a row a stage: [[1, 0, 1], [1, 0, 0]]. Fewer stages are the same codes with rows
# missing: that is how one codec has many bitrates.


# %%
def encode(vectors, codebooks, stages):
    """Return the codes of vectors, whole numbers (stages, frames), from the first stages.

    codebooks: array (all stages, codes, features); stages: how many of them to use.

    >>> encode(np.array([[2.0, 2.0], [5.0, 2.0], [3.0, 4.0]]), np.stack([COARSE, FINE]), 2)
    array([[1, 0, 1],
           [1, 0, 0]])
    """
    # BEGIN SOLUTION ex03.2: quantize, subtract the codewords, go on with what is left
    codes, left = [], vectors
    for codebook in codebooks[:stages]:
        codes.append(nearest(left, codebook))
        left = left - codebook[codes[-1]]
    return np.stack(codes)
    # END SOLUTION ex03.2


# %%
check("ex03.2")

# %% [markdown]
# ## Back again
#
# The decoder has the same codebooks. It looks each code up in **its stage's** table and adds the
# codewords up. By hand: codes 1 and 1 are (1, 3) + (0, -1) = (1, 2). The vector was (2, 2); what
# the two stages left, (1, 0), is lost. Codes 1 and 0 are (1, 3) + (2, 1) = (3, 4), exactly.


# %%
def decode(codes, codebooks):
    """Return the vectors that codes stand for, array (frames, features).

    codes: whole numbers (stages, frames), of as many stages as were sent; codebooks: array (all
    stages, codes, features).

    >>> decode(np.array([[1, 1], [1, 0]]), np.stack([COARSE, FINE]))
    array([[1., 2.],
           [3., 4.]])
    """
    # BEGIN SOLUTION ex03.3: the sum of the codewords, each from its own codebook
    return sum(codebook[row] for codebook, row in zip(codebooks, codes, strict=False))
    # END SOLUTION ex03.3


# %%
check("ex03.3")

# %% [markdown]
# ## What it costs
#
# A code of a table of 8 takes 3 bits, for 2 · 2 · 2 = 8: the bits are the **logarithm to base 2**
# of the size. By hand: 50 frames a second, 2 stages, tables of 8 are 50 × 2 × 3 = 300 bits a
# second. The codec below has 50 frames, 8 stages, tables of 1024: 50 × 8 × 10 = 4000.


# %%
def bitrate_bps(frame_rate_hz, stages, codebook_size):
    """Return the bits a second.

    >>> bitrate_bps(50, 2, 8), bitrate_bps(12.5, 8, 2048)
    (300.0, 1100.0)
    """
    # BEGIN SOLUTION ex03.4: frames a second, codes a frame, bits a code
    return frame_rate_hz * stages * math.log2(codebook_size)
    # END SOLUTION ex03.4


# %%
check("ex03.4")

# %% [markdown]
# ## Where codebooks come from
#
# **k-means** learns a codebook by repeating one step: each point goes to its nearest codeword,
# then each codeword moves to the **mean of its points**. By hand, in one dimension: points 0, 2
# and 10, codewords 1.5, 8 and 50.
#
# - 0 and 2 go to 1.5, which moves to their mean, 1.
# - 10 goes to 8, which moves to 10.
# - Nobody goes to 50. The mean of nothing is not a number: it stays at 50. Such a codeword is
#   *dead*; a real trainer moves it to some point.


# %%
def k_means_step(points, codebook):
    """Return the codebook after one step of k-means, array (codes, features).

    points: array (points, features). A codeword without points stays where it is.

    >>> k_means_step(np.array([[0.0], [2.0], [10.0]]), np.array([[1.5], [8.0], [50.0]]))
    array([[ 1.],
           [10.],
           [50.]])
    """
    # BEGIN SOLUTION ex03.5: each codeword to the mean of the points that are nearest to it
    chosen, moved = nearest(points, codebook), codebook.copy()
    for code in set(chosen.tolist()):
        moved[code] = points[chosen == code].mean(0)
    return moved
    # END SOLUTION ex03.5


# %%
check("ex03.5")

# %% [markdown]
# ## See it
#
# A cloud in the plane: two clusters, a long and a round one. We begin with eight random points of
# it as codewords. **Predict:** where will there be most codewords in the end?


# %%
def cloud():
    """Return 1200 points around zero, float32 (points, 2)."""
    rng = np.random.default_rng(13)
    long = rng.standard_normal((800, 2)) * (3.0, 0.6) + (-2.0, 2.0)
    points = np.concatenate([long, rng.standard_normal((400, 2)) * 0.8 + (3.0, -3.0)])
    return rng.permutation(points - points.mean(0)).astype(np.float32)


def learned(points, codes, steps):
    """Return a codebook after so many steps, from the first points as codewords."""
    codebook = points[:codes]
    for _ in range(steps):
        codebook = k_means_step(points, codebook)
    return codebook


# %%
def watch_learning():
    """Draw the cells before the first step, after it, and after thirty."""
    import matplotlib.pyplot as plt

    from voxlab.plots import plot_cells

    points = cloud()
    _, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for ax, steps in zip(axes, (0, 1, 30), strict=True):
        codebook = learned(points, 8, steps)
        left = points - decode([nearest(points, codebook)], [codebook])
        miss = np.sqrt((left**2).sum(1).mean())
        plot_cells(codebook, points, ax).set_title(f"{steps} steps: misses by {miss:.2f}")


# %%
watch_learning()

# %% [markdown]
# k-means only goes downhill from where it begins: with other points as a start it may end
# elsewhere, and worse. Try another seed in `cloud`.
#
# Now a chain: the second codebook learns what the first one leaves, the third what both leave. The
# figure is the library's, the codebooks are yours.


# %%
def learned_chain(points, stages, codes, steps):
    """Return codebooks (stages, codes, features), each learned from what the ones before leave."""
    codebooks, left = [], points
    for _ in range(stages):
        codebooks.append(learned(left, codes, steps))
        left = left - codebooks[-1][nearest(left, codebooks[-1])]
    return np.stack(codebooks)


def see_chain(point):
    """Draw the point's way through three stages of eight codes."""
    from voxlab import ResidualQuantizer
    from voxlab.plots import plot_residual_stages

    points = cloud()
    plot_residual_stages(ResidualQuantizer(learned_chain(points, 3, 8, 30)), points, point)


# %%
see_chain((-5.0, 2.5))

# %% [markdown]
# ## Hear it
#
# voxlab's mini codec has an encoder and a decoder, with a quantizer between them. We take that one
# out and put yours in, with the same codebooks: 8 stages of 1024 codewords of 64 numbers.


# %%
class MyQuantizer:
    """Your functions, with the two methods that the codec calls."""

    def __init__(self, codebooks):
        self.codebooks = codebooks

    def encode(self, vectors, stages=None):
        """Return the codes of vectors; a stream may ask when there are none yet."""
        stages = stages or len(self.codebooks)
        if not len(vectors):
            return np.zeros((stages, 0), np.int32)
        return np.asarray(encode(vectors, self.codebooks, stages), np.int32)

    def decode(self, codes):
        """Return the vectors of codes."""
        return np.asarray(decode(codes, self.codebooks), np.float32)


# %%
def through(kind, stages):
    """Return a voice through the codec with a quantizer of that kind, and the codes it became."""
    codec = MiniCodec()
    codec.quantizer = kind(codec.quantizer.codebooks)
    codes = codec.encode(data.prompts("en")[0].audio.between(0, 4), stages)
    return codec.decode(codes), codes


# %%
through(MyQuantizer, stages=8)[0]

# %%
through(MyQuantizer, stages=1)[0]

# %% [markdown]
# Are these the library's own codes?

# %%
from voxlab import ResidualQuantizer

for count in (1, 8):
    mine, theirs = through(MyQuantizer, count)[1], through(ResidualQuantizer, count)[1]
    kbps = bitrate_bps(50, count, 1024) / 1000
    print(f"{count} stages, {kbps:g} kbps: {np.mean(mine == theirs):.2%} of the codes are equal")

# %% [markdown]
# **Predict:** a quantizer forgets to subtract. Every stage quantizes the vector itself, and the
# decoder adds eight codewords up as before. How does it sound?


# %%
class ForgetsToSubtract(MyQuantizer):
    """Every stage sees the vector, none what is left of it."""

    def encode(self, vectors, stages=None):
        """Return the codes of vectors."""
        return np.stack([nearest(vectors, each) for each in self.codebooks[:stages]])


# %%
through(ForgetsToSubtract, stages=8)[0]

# %% [markdown]
# ## What we take along
#
# 1. A residual quantizer is a loop of three lines: **nearest, subtract, go on**. The decoder is a
#    sum.
# 2. A code means something only **together with its stage and the codes before it**.
# 3. Codebooks are means of what they have seen: where the data are dense, the cells are small.
#
# The library's has the same loop. Its `nearest_code` is yours in blocks that stay in the
# processor's cache.

# %%
from voxlab import show_source

show_source(ResidualQuantizer.encode)
