"""Exercise 5: a residual vector quantizer."""

import numpy as np

from voxlab.grading import graded

COARSE = [[4.0, 1.0], [1.0, 3.0], [-2.0, 0.0]]  # the example that is worked by hand
FINE = [[2.0, 1.0], [0.0, -1.0], [-1.0, 1.0]]
BOOKS = np.array([COARSE, FINE])
VECTORS = np.array([[2.0, 2.0], [5.0, 2.0], [3.0, 4.0]])


def draw(rng, frames=20, codes=8, features=5, stages=3):
    """Return random vectors and codebooks whose codewords have very different lengths."""
    scale = rng.uniform(0.2, 3.0, (stages, codes, 1)) / (1 + np.arange(stages))[:, None, None]
    return rng.normal(0, 2, (frames, features)), rng.normal(0, 1, (stages, codes, features)) * scale


def squared_distances(vectors, codebook):
    return ((vectors[:, None] - codebook) ** 2).sum(2)


# --- ex05.1 --------------------------------------------------------------------------------


@graded(
    "ex05.1",
    points=1,
    hint="The smallest distance wins. If you use v·e, a long codeword has a large product with "
    "everything: take off half its squared length.",
)
def test_no_codeword_is_nearer_than_the_one_that_was_found(exercise):
    got = np.asarray(exercise.nearest(VECTORS, BOOKS[0])).tolist()
    assert got == [1, 0, 1], f"the example worked by hand gave {got}, expected [1, 0, 1]"
    rng = np.random.default_rng(1)
    for _ in range(20):
        vectors, (codebook, *_) = draw(rng)
        got = np.asarray(exercise.nearest(vectors, codebook))
        assert got.shape == (20,), f"20 vectors gave {got.shape}, expected one code each"
        distances = squared_distances(vectors, codebook)
        for frame, code in enumerate(got.tolist()):
            best = int(distances[frame].argmin())
            assert code == best, (
                f"{vectors[frame].round(2)}: got code {code} at the squared distance "
                f"{distances[frame, code]:.2f}, but code {best} is at {distances[frame, best]:.2f}"
            )


# --- ex05.2 --------------------------------------------------------------------------------


@graded(
    "ex05.2",
    points=1,
    hint="From the second stage on, quantize what is left: the vector less every codeword chosen "
    "so far. One row of codes for each stage that is asked for.",
)
def test_every_stage_quantizes_what_the_ones_before_left(exercise):
    got = np.asarray(exercise.encode(VECTORS, BOOKS, 2)).tolist()
    assert got == [[1, 0, 1], [1, 0, 0]], f"the example worked by hand gave {got}"
    rng = np.random.default_rng(2)
    for stages in (1, 2, 3, 1, 2, 3):
        vectors, codebooks = draw(rng)
        codes = np.asarray(exercise.encode(vectors, codebooks, stages))
        assert codes.shape == (stages, 20), f"{stages} stages, 20 vectors: got {codes.shape}"
        left = vectors
        for stage in range(stages):
            want = squared_distances(left, codebooks[stage]).argmin(1)
            wrong = int((codes[stage] != want).sum())
            assert not wrong, f"stage {stage + 1} of {stages}: {wrong} of 20 codes are not nearest"
            left = left - codebooks[stage][want]


@graded(
    "ex05.2",
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
            assert got.shape == want.shape, f"{told}: got shape {got.shape}, not {want.shape}"
            assert np.array_equal(got, want), f"{told}: {(got != want).sum()} codes differ"


# --- ex05.3 --------------------------------------------------------------------------------


@graded(
    "ex05.3",
    points=1,
    hint="Look each code up in the codebook of its own stage, and add the codewords up, not the "
    "codes. There may be fewer rows of codes than codebooks.",
)
def test_codes_stand_for_the_sum_of_their_codewords(exercise):
    got = np.asarray(exercise.decode(np.array([[1, 1], [1, 0]]), BOOKS))
    expected = [[1.0, 2.0], [3.0, 4.0]]
    assert got.shape == (2, 2), f"codes of 2 frames of 2 features gave the shape {got.shape}"
    assert np.allclose(got, expected), f"the example worked by hand gave {got.tolist()}"
    rng = np.random.default_rng(4)
    for stages in (1, 2, 3):
        _, codebooks = draw(rng)
        codes = rng.integers(0, 8, (stages, 7))
        got = np.asarray(exercise.decode(codes, codebooks))
        assert got.shape == (7, 5), f"{stages} stages of 7 frames gave the shape {got.shape}"
        left = got.copy()
        for stage in range(stages):
            left -= codebooks[stage, codes[stage]]
        assert np.allclose(left, 0), (
            f"codes {codes[:, 0].tolist()} of {stages} stages: the vector is off by {left[0]}"
        )


# --- ex05.4 --------------------------------------------------------------------------------


@graded(
    "ex05.4",
    points=1,
    hint="A code of a table of 1024 takes log2(1024) = 10 bits. Multiply by codes a frame and "
    "frames a second.",
)
def test_a_code_takes_the_base_two_logarithm_of_its_table(exercise):
    by_hand = {(50, 2, 8): 300, (50, 8, 1024): 4000, (12.5, 8, 2048): 1100, (75, 32, 1024): 24000}
    for given, want in by_hand.items():
        got = exercise.bitrate_bps(*given)
        assert abs(got - want) < 1e-6, f"bitrate_bps{given}: got {got}, expected {want}"
    for rate_hz in (12.5, 50, 75):
        for bits in range(1, 13):
            got = exercise.bitrate_bps(rate_hz, 3, 2**bits)
            want = 3 * rate_hz * bits
            assert abs(got - want) < 1e-6, f"{rate_hz} Hz, 3 x {2**bits}: got {got}, not {want}"


# --- ex05.5 --------------------------------------------------------------------------------


@graded(
    "ex05.5",
    points=1,
    hint="Each codeword moves to the mean of the points that are nearest to it; one that no point "
    "is nearest to stays where it is.",
)
def test_a_step_moves_codewords_to_the_mean_of_their_points(exercise):
    points, codebook = np.array([[0.0], [2.0], [10.0]]), np.array([[1.5], [8.0], [50.0]])
    got = np.asarray(exercise.k_means_step(points, codebook))
    assert got.shape == (3, 1), f"3 codewords of 1 feature gave the shape {got.shape}"
    assert got[2, 0] == 50, f"nobody goes to the codeword 50, so it stays: got {got[2, 0]}"
    assert np.allclose(got, [[1], [10], [50]]), f"worked by hand: got {got.ravel().tolist()}"
    rng = np.random.default_rng(5)
    for _ in range(5):
        points, (codebook, *_) = draw(rng, frames=60)
        codebook = np.concatenate([codebook, [[90.0] * 5]])  # far away from every point
        for _ in range(4):
            distances = squared_distances(points, codebook)
            chosen = distances.argmin(1)
            moved = np.asarray(exercise.k_means_step(points, codebook))
            assert moved.shape == codebook.shape, f"{codebook.shape} became {moved.shape}"
            for code in range(len(codebook)):
                mine = points[chosen == code]
                want = mine.mean(0) if len(mine) else codebook[code]
                assert np.allclose(moved[code], want), (
                    f"{len(mine)} points are nearest to codeword {code}: it went to "
                    f"{moved[code].round(3)}, expected {want.round(3)}"
                )
            after = squared_distances(points, moved).min(1).sum()
            assert after <= distances.min(1).sum() + 1e-9, "a step made the misses larger"
            codebook = moved
