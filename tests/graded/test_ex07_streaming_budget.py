"""Exercise 7: the time of a turn, one stage after the other and streaming."""

import itertools

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect

READY_S, FIRST_S = [0.6, 0.7, 3.0], [0.2, 0.2, 0.2]  # the example that is worked by hand
SYNTHESIS_S, SPEECH_S = [0.4, 0.3, 0.3], [1.5, 0.5, 1.0]


def answer(rng):
    """Return text_ready_s, first_audio_s, synthesis_s and speech_s of a random answer."""
    sentences = int(rng.integers(1, 8))
    first_s = rng.uniform(0.05, 0.4, sentences)
    values = (
        np.cumsum(rng.exponential(1.0, sentences)),
        first_s,
        first_s + rng.uniform(0, 1.5, sentences),
        rng.uniform(0.3, 3.0, sentences),
    )
    return [(np.round(1024 * each) / 1024).tolist() for each in values]  # their sums are exact


# --- ex07.1 --------------------------------------------------------------------------------


@graded(
    "ex07.1",
    points=1,
    hint="Nothing is synthesised before the last text is there, and nothing is played before the "
    "last sound is made.",
)
def test_without_streaming_we_wait_for_all_text_and_all_sound(exercise):
    by_hand = [(READY_S, SYNTHESIS_S, SPEECH_S), ([0.7], [0.2], [1.5])]

    def waits(ready_s, synthesis_s, speech_s):
        if not len(ready_s) == len(synthesis_s) == len(speech_s):
            raise ValueError("each sentence has three times")
        first_s = max(ready_s) + sum(synthesis_s)
        return exercise.sequential(ready_s, synthesis_s, speech_s), [
            first_s,
            first_s + sum(speech_s),
        ]

    rng = np.random.default_rng(1)
    drawn = [(ready_s, *lasts_s) for ready_s, _, *lasts_s in (answer(rng) for _ in range(20))]
    compare("sequential", [*by_hand, *drawn], waits, close)


# --- ex07.2 --------------------------------------------------------------------------------


@graded(
    "ex07.2",
    points=1,
    hint="A sentence waits for its own input and for the sentence before it, whichever is later: "
    "once for the synthesiser, once for the loudspeaker. It is played from its first sound on.",
)
def test_a_sentence_waits_for_its_input_and_for_the_one_before_it(exercise):
    rng = np.random.default_rng(2)
    for values in ((READY_S, FIRST_S, SYNTHESIS_S, SPEECH_S), *(answer(rng) for _ in range(30))):
        spoken = exercise.streaming(*values)
        expect(len(spoken), len(values[0]), "the number of sentences")
        made_s = played_s = 0.0
        for k, (s, ready_s, first_s, lasts_s) in enumerate(
            zip(spoken, values[0], values[1], values[3], strict=True)
        ):
            told = f"sentence {k}, text ready at {ready_s} s, the one before it made at {made_s} s"
            told += f" and played at {played_s} s"
            for name, expected in (
                ("synth_start_s", max(ready_s, made_s)),
                ("first_byte_s", s.synth_start_s + first_s),
                ("synth_end_s", s.synth_start_s + values[2][k]),
                ("play_start_s", max(s.first_byte_s, played_s)),
                ("play_end_s", s.play_start_s + lasts_s),
            ):
                expect(getattr(s, name), expected, f"{told}: {name}", close)
            made_s, played_s = s.synth_end_s, s.play_end_s


@graded(
    "ex07.2",
    points=1,
    hint="Some of the library's turns come out differently: a slow synthesiser, or a model that "
    "writes more slowly than the voice speaks.",
    hidden=True,
)
def test_drawn_turns_come_out_as_the_library_computes_them(exercise):
    from voxlab.latency.random_turns import draw_turns, fit_turn_model
    from voxlab.latency.simulation import simulate

    parts = ({}, {"word_s": 0.6}, {"synthesis_rate": 0.7}, {"word_s": 0.3, "synthesis_rate": 1.0})
    for seed, part in enumerate(parts):
        model = fit_turn_model("stt/nova-3", "llm/gpt-4o-mini", "tts/sonic-3.5", **part)
        draws = draw_turns(model, 25, np.random.default_rng(seed))
        timings = simulate(draws)
        for turn in range(len(draws)):
            count = int((draws.words[:, turn] > 0).sum())
            words = np.cumsum(draws.words[:count, turn]) - 1
            ready_s = timings.answer_token_s[turn] + words * draws.word_s[turn]
            first_s = draws.tts_first_audio_s[:count, turn]
            synthesis_s = np.maximum(first_s, draws.tts_synthesis_s[:count, turn])
            speech_s = draws.speech_s[:count, turn]
            values = [each.tolist() for each in (ready_s, first_s, synthesis_s, speech_s)]
            spoken = exercise.streaming(*values)
            for name in ("synth_start_s", "first_byte_s", "synth_end_s", "play_start_s"):
                got = [getattr(sentence, name) for sentence in spoken]
                expected = getattr(timings, name)[:count, turn]
                expect(got, expected, f"{name} of streaming{tuple(values)}", close)


# --- ex07.3 --------------------------------------------------------------------------------


@graded(
    "ex07.3",
    points=1,
    hint="The first silence starts at 0; after that one starts where a sentence ends, if the next "
    "one starts later. Where one follows at once there is none.",
)
def test_silence_is_the_first_wait_and_every_gap(exercise):
    by_hand = ([0.8, 2.3, 3.2], [2.3, 2.8, 4.2])
    expect(exercise.silences(*by_hand), [[0.0, 0.8], [2.8, 3.2]], f"silences{by_hand}", close)
    rng = np.random.default_rng(3)
    for _ in range(30):
        waits = rng.integers(0, 3, 6) * rng.integers(0, 2, 6)  # many are no wait at all
        edges = np.cumsum(np.stack([waits, rng.integers(1, 9, 6)], axis=1)).reshape(6, 2) / 4
        starts_s, ends_s = edges.T.tolist()
        befores_s = [0.0, *ends_s[:-1]]
        expected = [list(pair) for pair, wait in zip(zip(befores_s, starts_s), waits) if wait]  # noqa: B905
        expect(exercise.silences(starts_s, ends_s), expected, f"silences({starts_s}, {ends_s})")


# --- ex07.4 --------------------------------------------------------------------------------


@graded(
    "ex07.4",
    points=1,
    hint="Add the stages up one by one: the budget breaks in the first one that ends after the "
    "target; ending exactly there is in time.",
)
def test_the_stage_at_work_when_time_runs_out_breaks_the_budget(exercise):
    by_hand = {0.2: None, 0.7: "LLM", 0.55: "TTS"}
    for llm_s, expected in by_hand.items():
        stages = [("network", 0.05), ("STT", 0.15), ("LLM", llm_s), ("TTS", 0.13)]
        expect(exercise.broken_by(stages, 0.8), expected, f"broken_by({stages}, 0.8)")
    rng = np.random.default_rng(4)
    for _ in range(15):
        lasts_s = (rng.integers(1, 9, 5) / 16).tolist()
        stages = [(f"stage {letter}", each) for letter, each in zip("abcde", lasts_s, strict=True)]
        ends_s = list(itertools.accumulate(lasts_s))
        for k, end_s in enumerate(ends_s):
            following = stages[k + 1][0] if k < 4 else None
            for target_s, expected in ((end_s, following), (end_s - 1 / 64, stages[k][0])):
                got = exercise.broken_by(stages, target_s)
                expect(got, expected, f"broken_by({stages}, {target_s})")


# --- ex07.5 --------------------------------------------------------------------------------


@graded(
    "ex07.5",
    points=1,
    hint="With a filler the answer waits for two things: to be made, and for the filler's end. "
    "Silence is before the filler, and between it and the answer.",
)
def test_a_filler_hides_silence_and_may_hold_the_answer_back(exercise):
    by_hand = {0: (1.23, 1.23), 1.5: (2.03, 0.53), 0.5: (1.23, 0.53)}
    for filler_s, expected in by_hand.items():
        got = exercise.tool_turn(0.4, 0.5, 0.2, 0.13, filler_s)
        expect(got, expected, f"tool_turn(0.4, 0.5, 0.2, 0.13, {filler_s})", close)

    def turn(asked_s, tool_s, llm_s, tts_s, filler_s):
        none_s = asked_s + tool_s + llm_s + tts_s
        gap_s = tool_s + llm_s - filler_s  # of silence after the filler; less than 0: it is late
        expected = [none_s + max(0, -gap_s), max(asked_s + tts_s, gap_s)]
        if not filler_s:
            expected = [none_s, none_s]
        return exercise.tool_turn(asked_s, tool_s, llm_s, tts_s, filler_s), expected

    rng = np.random.default_rng(5)
    drawn_s = rng.integers(1, 33, (40, 4)) / 16
    fillers_s = [(int(sixteenths) / 16, 0.0) for sixteenths in rng.integers(1, 60, 40)]
    cases = [
        (*times_s, filler_s)
        for times_s, both_s in zip(drawn_s.tolist(), fillers_s, strict=True)
        for filler_s in both_s
    ]
    compare("tool_turn", cases, turn, close)
