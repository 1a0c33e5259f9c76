"""The network: nothing later is ever seen, and speaking is what the scores of given codes say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.errors import CodecError
from voxlab.speech_lm import patterns
from voxlab.speech_lm.network import LMConfig, SpeechLM
from voxlab.speech_lm.speaking import Sampling, speak
from voxlab.speech_lm.train import Batch, losses

torch.set_num_threads(1)
PROMPT = (4, 7, 10, 11)
EVERYTHING = Sampling(temperature=1.0, likeliest=99, frames=12)


def network_of(pattern, stages=3, seed=0):
    """Return a small network whose scores are far from uniform."""
    sizes = {"width": 16, "heads": 2, "layers": 2, "positions": 60}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SpeechLM(LMConfig(pattern, stages=stages, codes=7, **sizes))
        for table in (network.embed.weight, network.place.weight):
            torch.nn.init.normal_(table)
    with torch.no_grad():
        network.embed.weight[-1] = 0
        network.bias[12] = -2  # the end: seldom at once
    return network.eval().requires_grad_(False)


NETWORKS = {pattern: network_of(pattern) for pattern in patterns.PATTERNS}


def batch_of(codes, frames=None):
    codes = torch.as_tensor(np.asarray(codes, np.int64))
    frames = [codes.shape[2]] * len(codes) if frames is None else frames
    return Batch(torch.tensor([PROMPT] * len(codes)), codes, torch.tensor(frames))


def scores_of(network, batch):
    return network.log_probs(batch.prompt, batch.ids(network.config))


@st.composite
def codes_and_a_place(draw):
    """Codes (stages, frames), and a stage and a frame of them."""
    frames = draw(st.integers(1, 6))
    codes = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(7, size=(3, frames))
    return codes, draw(st.integers(0, 2)), draw(st.integers(0, frames - 1))


def may_see(pattern, stage, frame, changed_stage, changed_frame):
    """Tell whether the scores of (stage, frame) may depend on the code that is changed."""
    earlier_stage = changed_stage < stage
    return {
        "flattened": changed_frame < frame or (changed_frame == frame and earlier_stage),
        "depth": changed_frame < frame or (changed_frame == frame and earlier_stage),
        "parallel": changed_frame < frame,
        # at the place of stage k's frame t, stage j is known up to frame t + k - j - 1
        "delay": changed_frame < frame + stage - changed_stage,
    }[pattern]


# --- causality -----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
@given(codes_and_a_place())
@settings(max_examples=10)
def test_a_code_changes_only_what_may_see_it(pattern, drawn):
    codes, changed_stage, changed_frame = drawn
    other = codes.copy()
    other[changed_stage, changed_frame] = (codes[changed_stage, changed_frame] + 1) % 7
    both = scores_of(NETWORKS[pattern], batch_of([codes, other]))
    for stage, scores in enumerate(both):
        same = torch.isclose(scores[0], scores[1], atol=1e-6).all(-1)
        for frame in range(codes.shape[1]):
            if not may_see(pattern, stage, frame, changed_stage, changed_frame):
                assert same[frame], f"stage {stage} of frame {frame} has seen it"


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_the_next_frame_does_listen_and_so_does_the_text(pattern):
    codes = np.zeros((3, 4), int)
    other = codes.copy()
    other[:, 1] = 3
    before, after = (
        scores_of(NETWORKS[pattern], batch_of([each]))[0][0, 2] for each in (codes, other)
    )
    assert not torch.allclose(before, after)
    batch = batch_of([codes])
    said = Batch(torch.tensor([[4, 8, 10, 11]]), batch.codes, batch.frames)
    assert not torch.allclose(
        scores_of(NETWORKS[pattern], said)[0], scores_of(NETWORKS[pattern], batch)[0]
    )


@pytest.mark.parametrize("pattern", ["flattened", "depth", "delay"])
def test_a_later_stage_listens_to_the_earlier_codes_of_its_frame(pattern):
    codes = np.zeros((3, 1), int)
    other = codes.copy()
    other[0, 0] = 3
    last = [scores_of(NETWORKS[pattern], batch_of([each]))[2][0, 0] for each in (codes, other)]
    assert not torch.allclose(*last)


def test_parallel_stages_do_not():
    codes = np.zeros((3, 1), int)
    other = codes.copy()
    other[0, 0] = 3
    last = [scores_of(NETWORKS["parallel"], batch_of([each]))[2][0, 0] for each in (codes, other)]
    assert torch.allclose(*last)


# --- likelihood ----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_scores_are_log_probabilities(pattern):
    for stage, scores in enumerate(scores_of(NETWORKS[pattern], batch_of(np.zeros((2, 3, 4))))):
        assert scores.shape == (2, 5, 7 + (stage == 0))
        torch.testing.assert_close(scores.exp().sum(-1), torch.ones(2, 5))


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_what_a_batch_is_filled_up_with_does_not_count(pattern):
    rng = np.random.default_rng(0)
    long, short = rng.integers(7, size=(3, 6)), rng.integers(7, size=(3, 2))
    filled = np.pad(short, ((0, 0), (0, 4)), constant_values=5)
    network = NETWORKS[pattern]
    alone = losses(network, batch_of([long])) * 6 + losses(network, batch_of([short])) * 2
    together = losses(network, batch_of([long, filled], frames=[6, 2])) * 8
    torch.testing.assert_close(together, alone)


def test_a_network_that_knows_nothing_pays_the_logarithm_of_the_codebook():
    network = network_of("depth")
    with torch.no_grad():
        network.embed.weight.zero_()
        network.bias.zero_()
    by_stage = losses(network, batch_of(np.zeros((1, 3, 4))))
    # the first stage also says five times whether this is the end, one choice more each
    expected = [np.log(8) * 5 / 4, np.log(7), np.log(7)]
    np.testing.assert_allclose(by_stage, expected, rtol=1e-6)


# --- speaking ------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
@pytest.mark.parametrize("stages", [1, 3])
def test_speaking_frame_by_frame_has_the_likelihood_of_the_whole(pattern, stages):
    network, spoken = network_of(pattern, stages), 0
    for seed in range(3):
        frames = list(speak(network, PROMPT, np.random.default_rng(seed), EVERYTHING))
        if not frames:
            continue
        codes = np.stack([frame.codes for frame in frames], 1)
        scores = scores_of(network, batch_of(codes[None]))
        for stage in range(stages):
            place = torch.from_numpy(codes[stage].astype(np.int64) + (stage == 0))
            whole = scores[stage][0, : codes.shape[1]].gather(-1, place[:, None])[:, 0]
            said = [frame.log_probs[stage] for frame in frames]
            np.testing.assert_allclose(said, whole, atol=1e-5)
        spoken += codes.shape[1]
    assert spoken > 4, "the networks of this test hardly speak"


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_the_same_generator_says_the_same_and_another_something_else(pattern):
    def said(seed):
        frames = speak(NETWORKS[pattern], PROMPT, np.random.default_rng(seed), EVERYTHING)
        return [tuple(frame.codes) for frame in frames]

    assert said(5) == said(5)
    assert len({tuple(said(seed)) for seed in range(3)}) > 1


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_speech_without_an_end_is_cut_off(pattern):
    network = network_of(pattern)
    network.bias[12] = -1e9
    frames = list(speak(network, PROMPT, np.random.default_rng(0), EVERYTHING))
    assert len(frames) == EVERYTHING.frames
    assert all((frame.codes >= 0).all() and (frame.codes < 7).all() for frame in frames)


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_a_model_that_only_knows_the_end_says_nothing(pattern):
    network = network_of(pattern)
    network.bias[12] = 1e9
    assert list(speak(network, PROMPT, np.random.default_rng(0), EVERYTHING)) == []


@pytest.mark.parametrize("pattern", patterns.PATTERNS)
def test_drawing_from_one_takes_the_likeliest(pattern):
    greedy = Sampling(temperature=1.0, likeliest=1, frames=5)
    first, second = (
        [tuple(f.codes) for f in speak(NETWORKS[pattern], PROMPT, np.random.default_rng(s), greedy)]
        for s in (0, 1)
    )
    assert first == second


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "frames", "message"),
    [((), 5, "one token at least"), ((4,), 600, "fewer frames"), ((13,), 5, "no text token 13")],
)
def test_what_cannot_be_spoken_is_refused(prompt, frames, message):
    with pytest.raises(CodecError, match=message):
        speak(NETWORKS["depth"], prompt, np.random.default_rng(0), Sampling(frames=frames))


@pytest.mark.parametrize("values", [{"temperature": 0}, {"likeliest": 0}, {"frames": 0}])
def test_a_sampling_that_draws_nothing_is_refused(values):
    with pytest.raises(CodecError, match="draws nothing"):
        Sampling(**values)


def test_an_unknown_pattern_is_refused():
    with pytest.raises(CodecError, match="one of flattened"):
        LMConfig("sideways")
