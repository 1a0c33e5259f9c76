"""Exercise 3: a residual vector quantizer."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect

COARSE = [[4.0, 1.0], [1.0, 3.0], [-2.0, 0.0]]  # the example that is worked by hand
FINE = [[2.0, 1.0], [0.0, -1.0], [-1.0, 1.0]]
BOOKS = np.array([COARSE, FINE])
VECTORS = np.array([[2.0, 2.0], [5.0, 2.0], [3.0, 4.0]])


def draw(rng, frames=20, codes=8, features=5, stages=3):
    """Return random vectors and codebooks whose codewords have very different lengths."""
    scale = rng.uniform(0.2, 3.0, (stages, codes, 1)) / (1 + np.arange(stages))[:, None, None]
    return rng.normal(0, 2, (frames, features)), rng.normal(0, 1, (stages, codes, features)) * scale


def draw_small_first(rng):
    """Return draws from which a small counterexample can be made, then larger ones."""
    sizes = [(2, 3, 1, 3)] * 20 + [(3, 4, 2, 3)] * 20 + [(20, 8, 5, 3)] * 6
    return [draw(rng, *size) for size in sizes]


def squared_distances(vectors, codebook):
    return ((vectors[:, None] - codebook) ** 2).sum(2)


def nearest_codes(distances, got):
    """Return the code of the smallest distance; where several have it, the one that came."""
    best = distances.argmin(1)
    if np.shape(got) != best.shape or not set(got) <= set(range(distances.shape[1])):
        return best.tolist()
    is_as_near = np.isclose(distances[np.arange(len(best)), got], distances.min(1))
    return np.where(is_as_near, got, best).tolist()


# --- ex03.1 --------------------------------------------------------------------------------


@graded(
    "ex03.1",
    points=1,
    hint="The smallest distance wins. If you use v·e, a long codeword has a large product with "
    "everything: take off half its squared length.",
)
def test_no_codeword_is_nearer_than_the_one_that_was_found(exercise):
    def nearest(vectors, codebook):
        vectors, codebook = np.array(vectors, float), np.array(codebook, float)
        got = np.asarray(exercise.nearest(vectors, codebook)).tolist()
        return got, nearest_codes(squared_distances(vectors, codebook), got)

    drawn = draw_small_first(np.random.default_rng(1))
    cases = [(vectors.tolist(), books[0].tolist()) for vectors, books in ((VECTORS, BOOKS), *drawn)]
    compare("nearest", cases, nearest)


# --- ex03.2 --------------------------------------------------------------------------------


@graded(
    "ex03.2",
    points=1,
    hint="From the second stage on, quantize what is left: the vector less every codeword chosen "
    "so far. One row of codes for each stage that is asked for.",
)
def test_every_stage_quantizes_what_the_ones_before_left(exercise):
    def encode(vectors, codebooks, stages):
        left, books = np.array(vectors, float), np.array(codebooks, float)
        got = np.asarray(exercise.encode(left, books, stages)).tolist()
        expected = []
        for stage, book in enumerate(books[:stages]):
            row = got[stage] if stage < len(got) else None
            expected.append(nearest_codes(squared_distances(left, book), row))
            left = left - book[expected[-1]]
        return got, expected

    cases = [(VECTORS.tolist(), BOOKS.tolist(), 2)]
    for number, (vectors, books) in enumerate(draw_small_first(np.random.default_rng(2))):
        cases.append((vectors.tolist(), books.tolist(), 1 + number % 3))
    compare("encode", cases, encode)


@graded(
    "ex03.2",
    points=1,
    hint="Some chains come out differently: many stages, many features, a single frame, or fewer "
    "stages than there are codebooks.",
    hidden=True,
)
def test_random_chains_come_out_as_the_library_codes_them(exercise):
    from voxlab.codec.quantizer import ResidualQuantizer

    rng = np.random.default_rng(3)
    for frames, codes, features, stages in ((1, 4, 2, 1), (50, 64, 16, 8), (200, 16, 3, 4)):
        vectors, codebooks = (
            part.astype(np.float32) for part in draw(rng, frames, codes, features, stages)
        )
        for sent in sorted({1, (stages + 1) // 2, stages}):
            want = ResidualQuantizer(codebooks).encode(vectors, sent)
            got = np.asarray(exercise.encode(vectors, codebooks, sent))
            told = f"{frames} frames of {features}, {sent} of {stages} stages of {codes} codes"
            expect(got.shape, want.shape, f"{told}: the shape")
            expect(int((got != want).sum()), 0, f"{told}: codes that differ from the library's")


# --- ex03.3 --------------------------------------------------------------------------------


@graded(
    "ex03.3",
    points=1,
    hint="Look each code up in the codebook of its own stage, and add the codewords up, not the "
    "codes. There may be fewer rows of codes than codebooks.",
)
def test_codes_stand_for_the_sum_of_their_codewords(exercise):
    def decode(codes, codebooks):
        codes, books = np.array(codes, int), np.array(codebooks, float)
        if not 0 < len(codes) <= len(books):
            raise ValueError("a row of codes for each stage that was sent")
        expected = sum(book[row] for row, book in zip(codes, books, strict=False))
        return np.asarray(exercise.decode(codes, books)), expected

    rng = np.random.default_rng(4)
    cases = [([[1, 1], [1, 0]], BOOKS.tolist())]
    for number, (_, books) in enumerate(draw_small_first(rng)):
        codes = rng.integers(0, books.shape[1], (1 + number % 3, 7))
        cases.append((codes.tolist(), books.tolist()))
    compare("decode", cases, decode, close)


# --- ex03.4 --------------------------------------------------------------------------------


@graded(
    "ex03.4",
    points=1,
    hint="A code of a table of 1024 takes log2(1024) = 10 bits. Multiply by codes a frame and "
    "frames a second.",
)
def test_a_code_takes_the_base_two_logarithm_of_its_table(exercise):
    by_hand = {(50, 2, 8): 300, (50, 8, 1024): 4000, (12.5, 8, 2048): 1100, (75, 32, 1024): 24000}
    for given, want in by_hand.items():
        expect(exercise.bitrate_bps(*given), want, f"bitrate_bps{given}", close)
    for rate_hz in (12.5, 50, 75):
        for bits in range(1, 13):
            got = exercise.bitrate_bps(rate_hz, 3, 2**bits)
            expect(got, 3 * rate_hz * bits, f"bitrate_bps({rate_hz}, 3, {2**bits})", close)


# --- ex03.5 --------------------------------------------------------------------------------


@graded(
    "ex03.5",
    points=1,
    hint="Each codeword moves to the mean of the points that are nearest to it; one that no point "
    "is nearest to stays where it is.",
)
def test_a_step_moves_codewords_to_the_mean_of_their_points(exercise):
    def step(points, codebook):
        points, codebook = np.array(points, float), np.array(codebook, float)
        distances = squared_distances(points, codebook)
        if (np.isclose(distances, distances.min(1, keepdims=True)).sum(1) > 1).any():
            raise ValueError("a point between two codewords goes to either")
        chosen = distances.argmin(1)
        expected = [
            points[chosen == code].mean(0) if code in chosen else codeword
            for code, codeword in enumerate(codebook)
        ]
        return np.asarray(exercise.k_means_step(points, codebook)), np.array(expected)

    cases = [([[0.0], [2.0], [10.0]], [[1.5], [8.0], [50.0]])]
    for points, (codebook, *_) in draw_small_first(np.random.default_rng(5)):
        far_away = [90.0] * codebook.shape[1]  # from every point
        cases.append((points.tolist(), [*codebook.tolist(), far_away]))
    compare("k_means_step", cases, step, close)
