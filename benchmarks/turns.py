"""How well turns are taken, on recordings, with the default agent. Virtual time: load is no matter.

    python benchmarks/turns.py [--json]

STT answers 0.1 s after a segment, the language model after 0.15 s, the voice after 0.08 s; VAD,
end of turn and everything else are the real ones. What LiveKit Agents 1.8.9 and Pipecat 1.14.0 took
under the same delays stands beside it. Seconds from the caller's first (last) audible sample to
the agent's last sample (to the commitment).
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from voxlab import audio, data, evaluation
from voxlab.agents.callers.interruption_scenarios import load_scenarios, read_outcome
from voxlab.agents.callers.script import CallScript, Moment, ScriptLine
from voxlab.agents.calls import play
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import NO_HEAD_START, HeadStart, PipelineOptions
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.evaluation.word_errors import word_errors
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.protocols import Providers, Speech
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT
from voxlab.providers.smart_turn import SmartTurn
from voxlab.timeline import Call
from voxlab.turn_taking import events, manager
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions
from voxlab.vad.silero import SileroVAD

RATE_HZ = 16_000
STORY = (
    "Our shop opens at nine in the morning and closes at six in the evening from Monday to Friday. "
    "On Saturday we open at ten and close at four in the afternoon. On Sunday we are closed."
)
SOFT_S = 0.3  # a soft onset fades in over so long
INTERRUPTIONS = ("correct_day", "weather_friday", "real_person", "order_number", "joke", "repeat")
SENTENCES = (
    *("weather_tomorrow", "weather_friday", "order_where", "order_check", "order_number"),
    *("order_unknown", "shipping_arrival", "shipping_tracking", "book_table", "book_full"),
    *("change_party", "cancel_reservation", "give_name", "correct_day", "real_person", "goodbye"),
)
HESITATIONS = ("hesitate_order", "hesitate_booking", "hesitate_weather")
PEERS = {  # the same figures of LiveKit Agents 1.8.9 and Pipecat 1.14.0, one voice, 1 to 4 runs
    "barge_in_clean_s": ("0.57", "0.37"),
    "barge_in_soft_s": ("0.89", "0.58"),
    "end_of_turn_s": ("0.40-0.47 or 2.54", "0.55-1.48"),
    "backchannel_resume_s": ("no resume", "no resume"),
}


class PacedTTS:
    """hibari's sound and word times, 0.08 s after the request."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Yield the sentence as one piece."""
        await asyncio.sleep(0.08)
        yield spoken(text)


@cache
def spoken(text: str) -> Speech:
    """Return a sentence by hibari."""
    return HibariTTS().speak(text)


@cache
def vad() -> SileroVAD:
    """Return Silero, loaded once."""
    return SileroVAD()


@cache
def judge() -> SmartTurn:
    """Return smart-turn, loaded once."""
    return SmartTurn()


@dataclass(frozen=True)
class Said:
    """What the caller says, and when: seconds after the call starts."""

    text: str
    sound: Audio
    at_s: float


def hold(lines: Sequence[Said], heard: Sequence[str]) -> Call:
    """Hold a call with the default agent: it tells a story when first asked. heard: by the STT."""
    script = CallScript(
        title="benchmark",
        lines=tuple(
            ScriptLine(
                f"line{index}",
                Speech(line.text, line.sound.duration_s, line.sound),
                Moment(line.at_s, "the call starts"),
            )
            for index, line in enumerate(lines)
        ),
        hang_up=Moment(14.0, "line ends", f"line{len(lines) - 1}"),
        patience_s=60.0,
    )
    providers = Providers(
        stt=ScriptedSTT(heard, final_s=0.1),
        llm=ScriptedLLM([STORY], first_token_s=0.15),
        tts=PacedTTS(),
        vad=vad(),
        end_of_turn=judge(),
    )
    return play(script, PipelineAgent(providers))


QUESTION_S = 4.0  # after the greeting
OVER_S = 10.0  # in the middle of the story


def over_the_story(sound: Audio, text: str, heard: Sequence[str]) -> Call:
    """Hold a call in which the caller makes a sound over the agent's story."""
    question = data.utterance("order_check")
    lines = [Said(question.text, question.audio, QUESTION_S), Said(text, sound, OVER_S)]
    return hold(lines, [question.text, *heard])


def tight(sound: Audio) -> Audio:
    """Return a recording from its first audible sample to its last."""
    return audio.trim(sound)


def soft(sound: Audio) -> Audio:
    """Return a recording with a soft onset."""
    ramp = np.ones(sound.samples.size, np.float32)
    fade = round(SOFT_S * sound.rate_hz)
    ramp[:fade] = np.linspace(0.03, 1, fade)
    return Audio(sound.samples * ramp, sound.rate_hz)


def interruptions() -> Iterator[tuple[str, Audio]]:
    """Yield what interrupts: callers' voices and people's."""
    for id in INTERRUPTIONS:
        for voice in data.VOICES:
            utterance = data.utterance(id, voice)
            yield utterance.text, tight(utterance.audio)
    for prompt in people():
        yield prompt.text, tight(prompt.audio)


def people() -> list[data.Prompt]:
    """Return human prompts that are one whole sentence of some length."""
    whole = [p for p in data.prompts("en") if re.fullmatch(r"[^.!?]+[.!?]", p.text)]
    return [p for p in whole if len(p.text.split()) >= 5]


def barge_in_s(soft_onset: bool) -> list[float]:
    """Return how long the agent goes on over each interruption."""
    waits = []
    for text, sound in interruptions():
        sound = soft(sound) if soft_onset else sound
        call = over_the_story(sound, text, [text])
        waits.append(evaluation.interruptions(call.timeline)[0].yield_s)
    return waits


def end_of_turn_s() -> list[float]:
    """Return how long each complete sentence waits for its commitment."""
    items = [data.utterance(id, voice) for id in SENTENCES for voice in data.VOICES]
    waits = []
    for item in [*items, *people()]:
        sound = tight(item.audio)
        call = hold([Said(item.text, sound, QUESTION_S)], [item.text])
        commits = [event.at_s for event in call.timeline.select("turn", "commit")]
        waits.append(commits[0] - QUESTION_S - sound.duration_s if commits else float("nan"))
    return waits


def backchannel() -> tuple[list[float], int]:
    """Return how soon the agent goes on after "uh huh", and how many words it loses by it."""
    waits, lost = [], 0
    for voice in data.VOICES:
        for id in ("uh_huh", "yeah", "um"):
            sound = tight(data.utterance(id, voice).audio)
            call = over_the_story(sound, id.replace("_", " "), [id.replace("_", " ")])
            resumed = [event.at_s for event in call.timeline.select("agent", "resumed")]
            waits.append(resumed[0] - OVER_S - sound.duration_s if resumed else float("inf"))
            said = " ".join(e.data["text"] for e in call.timeline.select("agent", "said"))
            lost += len(STORY.split()) - sum(word in said.split() for word in STORY.split())
    return waits, lost


def ignored() -> dict[str, bool]:
    """Tell what the agent does not even pause for, and what does not take the floor."""
    rng = np.random.default_rng(0)
    speech = tight(data.utterance("order_where").audio)
    sounds = {
        "burst of noise, 0.15 s": audio.noise("white", 0.15, RATE_HZ, rng),
        "burst of speech, 0.15 s": speech.between(0, 0.15),
        "white noise, 0.8 s": audio.noise("white", 0.8, RATE_HZ, rng),
    }
    results = {}
    for name, sound in sounds.items():
        loud = Audio(sound.samples * (0.2 / np.abs(sound.samples).max()), RATE_HZ)
        call = over_the_story(loud, name, [""])
        after = [event.kind for event in call.timeline.select("agent") if event.at_s >= OVER_S]
        story = after[: after.index("said")]
        results[f"{name}: no pause"] = "resumed" not in story
        results[f"{name}: keeps the floor"] = "interrupted" not in story
    return results


def one_turn() -> list[bool]:
    """Tell for each hesitation (0.8 s within a turn) whether it stays one turn."""
    whole = []
    for id in HESITATIONS:
        for voice in data.VOICES:
            item = data.utterance(id, voice)
            sound = with_pause(item.audio, 0.8)
            texts = re.split(r"(?<=um,)|(?<=uh,)", item.text)
            call = hold([Said(item.text, sound, QUESTION_S)], [t.strip() for t in texts])
            whole.append(len(call.timeline.select("turn", "commit")) == 1)
    return whole


def with_pause(sound: Audio, pause_s: float) -> Audio:
    """Return a recording whose longest silence lasts pause_s."""
    loud = np.abs(sound.samples) > 0.003
    edges = np.flatnonzero(np.diff(loud.astype(int)))
    gaps = np.diff(np.flatnonzero(loud))
    start = np.flatnonzero(loud)[int(gaps.argmax())]
    end = start + int(gaps.max())
    assert edges.size
    pause = np.zeros(round(pause_s * sound.rate_hz), np.float32)
    return tight(
        Audio(np.concatenate([sound.samples[:start], pause, sound.samples[end:]]), sound.rate_hz)
    )


def spoken_text_error_words() -> list[int]:
    """Return by how many words the history differs from what a recogniser hears of the agent."""
    errors = []
    recogniser = MoonshineSTT()
    for at_s in np.linspace(8.0, 14.0, 10):
        question, stop = data.utterance("order_check"), data.utterance("correct_day")
        lines = [
            Said(question.text, question.audio, QUESTION_S),
            Said(stop.text, tight(stop.audio), float(at_s)),
        ]
        call = hold(lines, [question.text, stop.text])
        (cut,) = call.timeline.select("agent", "interrupted")
        asked_s = call.timeline.select("turn", "commit")[0].at_s
        assert call.agent is not None
        heard = recogniser.recognize(call.agent.between(asked_s, cut.at_s))
        errors.append(word_errors(heard, cut.data["heard"]).errors)
    return errors


def interruption_scenarios() -> dict[str, list[bool]]:
    """Tell by what should follow which scenarios come out right with all offline engines."""
    right: dict[str, list[bool]] = {}
    for scenario in load_scenarios().values():
        head_start = NO_HEAD_START if scenario.is_before_the_reply else HeadStart()
        call = play(scenario.script, shop_agent(options=PipelineOptions(head_start=head_start)))
        met = scenario.is_met_by(read_outcome(call.timeline))
        right.setdefault(scenario.wanted.then, []).append(met)
    return right


def turn_manager_us_per_frame() -> float:
    """Return what deciding costs: the VAD's frame decision and the machine, a 20 ms frame."""
    from voxlab.vad.endpointing import SpeechDetector

    rng = np.random.default_rng(0)
    probabilities = np.clip(np.cumsum(rng.normal(0, 0.1, 50_000)) % 2 - 0.5, 0, 1).tolist()
    detector, turn, options = SpeechDetector(VADOptions(), 0.02), manager.Turn(), TurnOptions()
    start_s = time.process_time()
    for probability in probabilities:
        edge = detector.step(probability)
        if edge is not None:
            started = "Started" in type(edge).__name__
            event = events.UserStarted() if started else events.UserStopped()
            turn, _ = manager.step(turn, event, options)
            if turn.pending:
                turn, _ = manager.step(turn, events.Transcribed("words"), options)
                turn, _ = manager.step(turn, events.SilenceElapsed(), options)
    return (time.process_time() - start_s) / len(probabilities) * 1e6


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    clean, soft_onset, ends = barge_in_s(False), barge_in_s(True), end_of_turn_s()
    resumes, lost = backchannel()
    text_errors, whole, quiet = spoken_text_error_words(), one_turn(), ignored()
    figures = {
        "barge_in_clean_s": statistics.median(clean),
        "barge_in_soft_s": statistics.median(soft_onset),
        "end_of_turn_s": statistics.median(ends),
        "backchannel_resume_s": max(resumes),
        "spoken_text_error_words": max(text_errors),
        "turn_manager_us_per_frame": turn_manager_us_per_frame(),
    }
    ranges = {
        "barge_in_clean_s": clean,
        "barge_in_soft_s": soft_onset,
        "end_of_turn_s": ends,
        "backchannel_resume_s": resumes,
        "spoken_text_error_words": text_errors,
    }
    print(f"{'figure':28}{'ours':>8}  {'from .. to':16}{'n':>3}  {'LiveKit':18}Pipecat")
    for name, value in figures.items():
        values, peers = ranges.get(name, []), PEERS.get(name, ("", ""))
        span = f"{min(values):.3g} .. {max(values):.3g}" if values else ""
        row = f"{name:28}{value:8.3f}  {span:16}{len(values) or '':>3}  "
        print(f"{row}{peers[0]:18}{peers[1]}")
    print(f"words lost over {len(resumes)} backchannels: {lost}")
    print(f"a pause of 0.8 s within a turn: one turn in {sum(whole)} of {len(whole)}")
    for name, holds in quiet.items():
        print(f"{name}: {'yes' if holds else 'no'}")
    for then, right in interruption_scenarios().items():
        print(f"interruptions after which the agent {then}: {sum(right)} of {len(right)} right")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
