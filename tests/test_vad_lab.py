"""The VAD lab: pictures and sliders over probabilities that are computed once."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from voxlab import data
from voxlab.audio import Audio
from voxlab.plots import plot_end_of_turn, plot_vad
from voxlab.plots.vad import VADLab
from voxlab.turn_taking.end_of_turn_tradeoff import TradeoffPoint
from voxlab.vad import silero
from voxlab.vad.acoustic_scenes import lay_scene
from voxlab.vad.endpointing import SpeechSegment, VADOptions
from voxlab.widgets import explore_vad

RATE_HZ, FRAMES = 16_000, 120
TURN = SpeechSegment(1.28, 2.56)  # frames 40 to 80


def recording() -> tuple[Audio, np.ndarray]:
    """A hum in the turn, and a VAD that is sure of it but for a doubt in the middle."""
    samples = np.zeros(FRAMES * 512, np.float32)
    samples[40 * 512 : 80 * 512] = 0.2
    probabilities = np.zeros(FRAMES, np.float32)
    probabilities[40:80] = 0.9
    probabilities[55:65] = 0.4
    return Audio(samples, RATE_HZ), probabilities


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


def test_the_picture_has_one_time_axis_and_says_what_the_setting_costs() -> None:
    sound, probabilities = recording()
    figure = plot_vad(sound, probabilities, turns=[TURN])
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert "missed 0, cut off 0" in texts(figure)
    strict = plot_vad(sound, probabilities, VADOptions(exit_threshold=0.5), turns=[TURN])
    assert "cut off 1" in texts(strict), "the doubt in the middle is below 0.5"


def test_without_true_turns_there_are_no_costs_and_a_recording_may_be_silent() -> None:
    figure = plot_vad(Audio(np.zeros(16_000, np.float32), RATE_HZ), np.zeros(31, np.float32))
    figure.canvas.draw()
    assert "false alarms" not in texts(figure)


def test_a_lab_that_was_changed_and_changed_back_draws_the_same() -> None:
    sound, probabilities = recording()
    lab = VADLab(Figure(dpi=80), sound, probabilities, [TURN])
    pictures = []
    for options in (VADOptions(), VADOptions(min_silence_s=1.0), VADOptions()):
        lab.update(options)
        pictures.append(lab.png())
    assert pictures[0] == pictures[2] != pictures[1]


@pytest.mark.slow
def test_a_slider_never_asks_the_network_again_and_a_new_room_does_once(monkeypatch) -> None:
    heard: list[float] = []

    def counted(audio: Audio) -> np.ndarray:
        heard.append(audio.duration_s)
        return silero.speech_probabilities(audio)

    monkeypatch.setattr("voxlab.widgets.vad.speech_probabilities", counted)
    people = [prompt.audio.between(0.0, 2.0) for prompt in data.prompts("en")[5:7]]
    panel, image = explore_vad(lay_scene(people, np.random.default_rng(0))).children
    sliders, places = (box.children for box in panel.children)
    first = bytes(image.value)
    by_name = {slider.description: slider for slider in sliders}
    by_name["threshold"].value = 0.2  # below the exit threshold, which follows
    by_name["min. silence (s)"].value = 1.0
    assert bytes(image.value) != first
    assert len(heard) == 1
    room, snr, louder, player = places
    clean = player.value
    room.value = "telephone"
    snr.value = 5
    room.value = "clean"
    assert len(heard) == 4, "clean, telephone at 10 and 5 dB, clean at 5 dB"
    room.value = "telephone"
    assert len(heard) == 4, "a room that was heard is remembered"
    assert player.value != clean
    louder.value = False


def test_the_curve_marks_a_setting_with_its_interval() -> None:
    points = [TradeoffPoint(wait_s, wait_s, 1 - wait_s, 0.1, 0.9) for wait_s in (0.3, 0.5, 0.8)]
    ax = Figure().subplots()
    plot_end_of_turn({"fixed silence": points, "mine": points}, {"fixed silence": 0.5}, ax)
    assert len(ax.containers) == 1
    assert ax.get_legend_handles_labels()[1] == ["fixed silence", "mine"]
