"""The same script on another day, and the same script typed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from voxlab.agents.callers.script import CallScript, ScriptLine
from voxlab.audio import Audio
from voxlab.data.expectations import Kind
from voxlab.providers.protocols import Speech

SOONER_OR_LATER_S = 0.15
SOFTER_OR_LOUDER_DB = 3.0

Change = Callable[[Speech], Speech]


def vary(script: CallScript, seed: int) -> CallScript:
    """Return a script whose caller speaks a little sooner or later, softer or louder.

    The background begins elsewhere, and the caller's temper draws anew. seed: 0 for the script as
    it is written. It is the same for all agents: their calls of one seed are a pair.
    """
    if not seed:
        return script
    rng = np.random.default_rng(seed)
    gain = np.float32(10 ** (rng.uniform(-SOFTER_OR_LOUDER_DB, SOFTER_OR_LOUDER_DB) / 20))
    background = script.background
    if background is not None:
        shift = int(rng.integers(background.samples.size))
        background = Audio(np.roll(background.samples, shift), background.rate_hz)

    def in_that_voice(speech: Speech) -> Speech:
        if speech.audio is None:
            return speech
        samples = np.clip(gain * speech.audio.samples, -1, 1)
        return replace(speech, audio=Audio(samples, speech.audio.rate_hz))

    def at_that_moment(line: ScriptLine) -> ScriptLine:
        delay_s = line.at.delay_s + rng.uniform(-SOONER_OR_LATER_S, SOONER_OR_LATER_S)
        return replace(line, at=replace(line.at, delay_s=max(0.0, delay_s)))

    varied = _with_speech(script, in_that_voice)
    return replace(
        varied,
        lines=tuple(map(at_that_moment, varied.lines)),
        background=background,
        temper=replace(varied.temper, seed=varied.temper.seed + seed),
    )


def as_text(script: CallScript) -> CallScript:
    """Return a script whose caller types: each line takes its time and makes no sound.

    What is no word to the agent, such as a second voice in the room, is an empty text.
    """
    kinds = {} if script.expect is None else script.expect.kinds
    typed = _with_speech(script, lambda speech: Speech(speech.text, speech.duration_s))
    lines = tuple(
        replace(line, utterance=replace(line.utterance, text=""))
        if kinds.get(line.id) is Kind.NOISE
        else line
        for line in typed.lines
    )
    return replace(typed, lines=lines, background=None, echo=None)


def _with_speech(script: CallScript, change: Change) -> CallScript:
    """Return a script with another sound of everything that its caller may say."""
    lines = tuple(
        replace(
            line,
            utterance=change(line.utterance),
            rephrased=tuple(map(change, line.rephrased)),
        )
        for line in script.lines
    )
    temper = script.temper
    last_words = temper.last_words and change(temper.last_words)
    answers = {asked: change(speech) for asked, speech in temper.answers.items()}
    return replace(
        script, lines=lines, temper=replace(temper, answers=answers, last_words=last_words)
    )
