"""Vocabulary and patterns: every token has one number, and every order can be undone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.codec.bitrate import tokens_per_s
from voxlab.errors import CodecError
from voxlab.speech_lm import patterns
from voxlab.speech_lm.vocabulary import JointVocabulary, Token

sizes = st.builds(JointVocabulary, st.integers(1, 60), st.integers(1, 9), st.integers(1, 12))


@st.composite
def codes_of(draw, joint):
    stages, frames = draw(st.integers(1, joint.stages)), draw(st.integers(0, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(joint.codebook_size, size=(stages, frames))


# --- the joint vocabulary ------------------------------------------------------------------


@given(sizes)
@settings(max_examples=30)
def test_every_token_has_one_id_and_every_id_one_token(joint):
    tokens = [joint.token(id) for id in range(joint.size)]
    assert len(set(tokens)) == joint.size
    for id, token in enumerate(tokens):
        back = joint.text_id(token.value) if token.stage is None else None
        assert id == (joint.audio_id(token.stage, token.value) if back is None else back)


@given(st.data(), sizes)
@settings(max_examples=30)
def test_codes_survive_the_vocabulary_and_never_meet_the_text(draws, joint):
    codes = draws.draw(codes_of(joint))
    ids = joint.audio_ids(codes)
    assert (joint.codes(ids) == codes).all()
    assert ids.min(initial=joint.text_size) >= joint.text_size
    for stage, row in enumerate(ids):
        assert all(joint.token(int(id)).stage == stage for id in row)


def test_the_chapters_144k_are_exact_only_if_a_k_is_1024():
    assert JointVocabulary(128_000, 8, 2048).size == 144_384
    assert JointVocabulary(128 * 1024, 8, 2048).size == 144 * 1024
    assert JointVocabulary(128_256, 8, 2048).size == 144_640
    assert tokens_per_s(12.5, 8) == 100


def test_first_and_last_ids_touch_without_a_gap():
    joint = JointVocabulary(10, stages=2, codebook_size=4)
    assert joint.token(9) == Token(9)
    assert [joint.audio_id(0, 0), joint.audio_id(0, 3), joint.audio_id(1, 0)] == [10, 13, 14]
    assert joint.token(joint.size - 1) == Token(3, 1)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: v.token(18), "use 0 to 17"),
        (lambda v: v.token(-1), "use 0 to 17"),
        (lambda v: v.text_id(10), "use 0 to 9"),
        (lambda v: v.audio_id(2, 0), "use 0 to 1"),
        (lambda v: v.audio_id(0, 4), "use 0 to 3"),
        (lambda v: v.audio_id(-1, 0), "use 0 to 1"),
        (lambda v: v.audio_ids(np.array([[4]])), "each must be in 0 to 3"),
        (lambda v: v.audio_ids(np.zeros((3, 1), int)), "1 to 2 stages"),
        (lambda v: v.codes([[14]]), "row of stage 0, whose ids are 10 to 13"),
        (lambda v: v.codes([[10], [13]]), "row of stage 1, whose ids are 14 to 17"),
        (lambda v: v.codes([[0.5]]), "need whole numbers"),
    ],
)
def test_what_is_out_of_range_is_refused_with_the_range(ask, message):
    with pytest.raises(CodecError, match=message):
        ask(JointVocabulary(10, stages=2, codebook_size=4))


@pytest.mark.parametrize("sizes", [(0, 8, 2048), (128_256, 0, 2048), (1, 1, -1), (1.5, 1, 1)])
def test_a_vocabulary_needs_something_of_each(sizes):
    with pytest.raises(CodecError, match="make no vocabulary"):
        JointVocabulary(*sizes)


# --- patterns ------------------------------------------------------------------------------

grids = st.tuples(st.integers(0, 2), st.integers(1, 6), st.integers(0, 9)).map(
    lambda shape: np.arange(max(1, shape[0]) * shape[1] * shape[2]).reshape(
        *([shape[0]] if shape[0] else []), shape[1], shape[2]
    )
)


@given(grids)
@settings(max_examples=40)
def test_flattening_is_undone_and_goes_frame_by_frame(codes):
    row = patterns.flatten(codes)
    assert (patterns.unflatten(row, codes.shape[-2]) == codes).all()
    for place in range(row.shape[-1]):
        frame, stage = divmod(place, codes.shape[-2])
        assert (row[..., place] == codes[..., stage, frame]).all()


@given(grids)
@settings(max_examples=40)
def test_the_delay_is_undone_and_moves_each_stage_by_its_number(codes):
    moved = patterns.delay(codes, fill=-1)
    assert (patterns.undelay(moved) == codes).all()
    for stage in range(codes.shape[-2]):
        assert (moved[..., stage, :stage] == -1).all()
        assert (moved[..., stage, stage + codes.shape[-1] :] == -1).all()


@given(st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=40)
def test_positions_are_those_that_the_patterns_really_take(frames, stages):
    codes = np.zeros((stages, frames), int)
    assert patterns.positions("flattened", frames, stages) == patterns.flatten(codes).shape[-1]
    assert patterns.positions("delay", frames, stages) == patterns.delay(codes, 0).shape[-1]
    assert patterns.positions("parallel", frames, stages) == frames
    assert patterns.positions("depth", frames, stages) == frames


@given(st.data(), sizes, st.integers(0, 9))
@settings(max_examples=30)
def test_text_and_sound_interleave_and_part_again(draws, joint, pad):
    ids = joint.audio_ids(draws.draw(codes_of(joint)))
    frames = ids.shape[1]
    starts = draws.draw(st.sets(st.integers(0, frames - 1)) if frames else st.just(set()))
    text = patterns.align([pad + 1] * len(starts), sorted(starts), frames, pad)
    stream = patterns.interleave(text, ids)
    parted_text, parted_ids = patterns.deinterleave(stream, len(ids))
    assert (parted_text == text).all()
    assert (parted_ids == ids).all()
    assert (np.flatnonzero(text != pad) == sorted(starts)).all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: patterns.positions("diagonal", 1, 1), "one of flattened"),
        (lambda: patterns.positions("depth", -1, 1), "0 frames or more"),
        (lambda: patterns.unflatten(np.arange(5), 2), "whole frames of 2"),
        (lambda: patterns.undelay(np.zeros((4, 2))), "too few"),
        (lambda: patterns.flatten(np.zeros(3)), r"\(\.\.\., stages, frames\)"),
        (lambda: patterns.align([1], [5], 5, 0), "frames 0 to 4"),
        (lambda: patterns.align([1, 2], [3, 3], 5, 0), "a frame for each"),
        (lambda: patterns.interleave(np.zeros(2, int), np.zeros((2, 3), int)), "do not fit"),
    ],
)
def test_what_does_not_fit_a_pattern_is_refused(ask, message):
    with pytest.raises(CodecError, match=message):
        ask()
