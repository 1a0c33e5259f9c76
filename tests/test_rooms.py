"""Rooms: speech whose times are known, under noise whose level is known."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import AudioError
from voxlab.vad.acoustic_scenes import (
    PAUSES_S,
    ROOMS,
    Scene,
    lay_scene,
    move_to_room,
    send_by_telephone,
)

RATE_HZ = 16_000


def tone(duration_s: float, level: float = 0.1, frequency_hz: float = 1000.0) -> Audio:
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return Audio(level * np.sin(2 * np.pi * frequency_hz * time_s), RATE_HZ)


def two_turns() -> Scene:
    return lay_scene([tone(1.0), tone(0.5, level=0.01)], np.random.default_rng(0))


def test_the_turns_are_where_the_sound_is() -> None:
    there = two_turns()
    assert [round(turn.end_s - turn.start_s, 2) for turn in there.turns] == [1.0, 0.5]
    for turn in there.turns:
        sound = there.audio.between(turn.start_s, turn.end_s)
        assert audio.level_db(sound) == pytest.approx(audio.SPEECH_DB, abs=0.1)
    between = there.audio.between(there.turns[0].end_s, there.turns[1].start_s)
    assert not between.samples.any()
    assert PAUSES_S[0] <= between.duration_s <= PAUSES_S[1]


@pytest.mark.slow
@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("clean", "telephone")])
@pytest.mark.parametrize("snr_db", [10.0, 0.0])
def test_the_ratio_holds_while_the_caller_speaks(room: str, snr_db: float) -> None:
    before = two_turns()
    after = move_to_room(before, room, snr_db, np.random.default_rng(1))
    noise = Audio(after.audio.samples - before.audio.samples, RATE_HZ)
    assert audio.SPEECH_DB - audio.level_db(noise) == pytest.approx(snr_db, abs=0.1)
    assert after.turns == before.turns


def test_a_clean_room_changes_nothing_and_a_seed_repeats_a_room() -> None:
    there = two_turns()
    assert move_to_room(there, "clean", 0.0, np.random.default_rng(0)) is there
    once, again = (move_to_room(there, "keyboard", 5.0, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once.audio.samples, again.audio.samples)


@pytest.mark.parametrize(("frequency_hz", "passes"), [(100, False), (1000, True), (5000, False)])
def test_the_telephone_carries_300_to_3400_hertz(frequency_hz: float, passes: bool) -> None:
    line = send_by_telephone(tone(1.0, frequency_hz=frequency_hz))
    assert line.samples.size == RATE_HZ
    power_db = audio.level_db(line) - audio.level_db(tone(1.0))
    assert power_db == pytest.approx(0, abs=0.2) if passes else power_db < -35


@given(st.floats(0.01, 0.9), st.sampled_from([437.0, 1013.0, 1771.0]))  # none divides 8 kHz
def test_the_telephones_noise_is_that_of_eight_bits(level: float, frequency_hz: float) -> None:
    sent = tone(0.5, level, frequency_hz)
    heard, sent = send_by_telephone(sent).between(0.1, 0.4), sent.between(0.1, 0.4)
    correlation = scipy.signal.correlate(heard.samples, sent.samples, "valid")[0]
    gain = correlation / np.vdot(sent.samples, sent.samples)
    rest = heard.samples - gain * sent.samples
    snr_db = 10 * np.log10(np.vdot(gain * sent.samples, gain * sent.samples) / np.vdot(rest, rest))
    assert 28 < snr_db < 50  # G.711 gives 30 to 40 dB over a wide range of levels
    assert gain == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: lay_scene([], np.random.default_rng(0)), "no recordings"),
        (
            lambda: move_to_room(two_turns(), "beach", 5.0, np.random.default_rng(0)),
            "no room 'beach'",
        ),
    ],
)
def test_what_is_no_scene_is_refused(make, why) -> None:
    with pytest.raises(AudioError, match=why):
        make()
