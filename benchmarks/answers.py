"""How long callers wait for an answer, by what the agent does before it must. In virtual time.

    python benchmarks/answers.py [--json]

All call scripts and the twenty utterances of the comparison, with the offline engines and their
charges: without a head start, with all of it, and with each switch off. A turn counts from the
caller's last sound to the agent's next; a filler is sound, but useful is only what follows it.
Then the sentences and hesitations of benchmarks/turns.py with the delays of the peers: STT 0.1 s,
language model 0.15 s, voice 0.08 s. Processor time is of this machine.

Targets: median 0.45 s, P95 0.65 s, 0.52 times the median without a head start; direct answers
0.40 s; nobody cut off more often; no more processor time; with the peers' delays 0.40 s.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from voxlab import audio, data
from voxlab.agents.callers.script import CallScript, Moment, ScriptLine, load_script
from voxlab.agents.calls import play
from voxlab.agents.comparison import make_script
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import NO_HEAD_START, HeadStart, PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.data.comparison import load_trials
from voxlab.evaluation.stage_times import stage_times
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.offline import offline
from voxlab.providers.protocols import MayEnd, Providers, Speech, Transcript
from voxlab.providers.scripted import ScriptedLLM
from voxlab.timeline import Call, Timeline
from voxlab.turn_taking.manager import TurnOptions

BUILDS = {
    "no head start": NO_HEAD_START,
    "head start": HeadStart(),
    "- speculative STT": HeadStart(speculative_stt=False),
    "- preemptive": HeadStart(preemptive=False),
    "- early filler": HeadStart(early_filler=False),
}
PEERS_S = {"LiveKit Agents 1.8.9": 0.71, "Pipecat 1.14.0": 0.87}  # last sample to first sample
FILLER = ReplyOptions().filler
HESITATIONS = ("hesitate_order", "hesitate_booking", "hesitate_weather")
SENTENCES = (
    *("weather_tomorrow", "weather_friday", "order_where", "order_number", "shipping_tracking"),
    *("book_table", "change_party", "cancel_reservation", "real_person", "goodbye"),
)


@dataclass
class Waits:
    """What callers went through with one build, in seconds."""

    first_s: list[float] = field(default_factory=list)
    useful_s: list[float] = field(default_factory=list)
    direct_s: list[float] = field(default_factory=list)  # answers without a tool
    cut_ins: int = 0
    dropped: int = 0  # replies begun too early
    kept: int = 0
    tokens: int = 0  # of those that were dropped
    voice_s: float = 0.0
    all_tokens: int = 0

    def add(self, timeline: Timeline) -> None:
        """Add the turns of a call."""
        turns = stage_times(timeline)
        ends_s = [*(turn.user_end_s for turn in turns[1:]), np.inf]
        for turn, until_s in zip(turns, ends_s, strict=True):
            self.cut_ins += turn.cut_in
            if turn.ttfb_s is None:
                continue
            during = [e for e in timeline if turn.user_end_s <= e.at_s < until_s]
            said = [e for e in during if e.kind == "sentence" and e.data["text"] not in FILLER]
            used_tool = any(e.kind == "started" and e.source == "tool" for e in during)
            self.first_s.append(turn.ttfb_s)
            self.useful_s += [said[0].at_s - turn.user_end_s] if said else []
            self.direct_s += [] if used_tool else [turn.ttfb_s]
        for event in timeline.select("turn", "dropped"):
            self.dropped += 1
            self.tokens += event.data["tokens"]
            self.voice_s += event.data["voice_s"]
        self.kept += sum("begun_s" in e.data for e in timeline.select("turn", "commit"))
        self.all_tokens += sum(len(e.data["text"].split()) for e in timeline.select("llm", "done"))


@cache
def engines(drafts: bool) -> Providers:
    """Return the offline engines; without drafts the recogniser takes as long as it ever did."""
    patient = MoonshineSTT(partial_every_s=1.5, drafts=False)
    return offline() if drafts else replace(offline(), stt=patient)


def agent(head_start: HeadStart, greeting: bool = True) -> PipelineAgent:
    """Return the shop's agent on the offline engines."""
    options = PipelineOptions(head_start=head_start)
    if not greeting:
        options = replace(options, turns=TurnOptions())
    return shop_agent(engines(drafts=head_start.speculative_stt), options)


def measure_waits(head_start: HeadStart) -> Waits:
    """Hold all calls with one build."""
    waits = Waits()
    for file in sorted(data.path("calls").glob("*.yaml")):
        script = load_script(file)
        if script.lines[0].utterance.audio is not None and script.echo is None:  # it hears itself
            waits.add(play(script, agent(head_start)).timeline)
    for trial in load_trials():
        waits.add(play(make_script(trial), agent(head_start, greeting=False)).timeline)
    return waits


def minute_cpu_s(head_start: HeadStart) -> float:
    """Return the processor time of the minute's call, for 60 s of it."""
    script = load_script(data.path("calls/minute.yaml"))
    start_s = time.process_time()
    call = play(script, agent(head_start))
    return (time.process_time() - start_s) * 60 / call.timeline.duration_s


# --- with the delays of the peers ----------------------------------------------------------


@dataclass
class PacedSTT:
    """Hears as many words of a text as have sounded, 0.1 s after it is asked.

    sound: of the text.
    """

    text: str
    sound: Audio
    guesses: bool = True
    heard_s: float = 0.0

    async def transcribe(self, audio: AsyncIterator[Audio | MayEnd]) -> AsyncIterator[Transcript]:
        """Yield guesses and the final text of each segment; the texts follow each other."""
        before = self._words()
        async for item in audio:
            if isinstance(item, Audio):
                self.heard_s += item.duration_s
                continue
            words = self._words()
            await asyncio.sleep(0.1)
            yield Transcript(" ".join(words[len(before) :]), is_final=False, is_guess=True)
        words = self._words()
        await asyncio.sleep(0.1)
        yield Transcript(" ".join(words[len(before) :]), is_final=True)

    def _words(self) -> list[str]:
        """Return the words whose share of the sound is over, with a margin for the pre-roll."""
        words = self.text.split()
        share = self.heard_s / self.sound.duration_s
        return words[: round(min(1.0, share) * len(words))]


class PacedTTS:
    """A voice without sound, 0.08 s after the request."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Yield the sentence as one piece."""
        await asyncio.sleep(0.08)
        yield Speech(text, 0.35 * len(text.split()))


def hold(text: str, sound: Audio, head_start: HeadStart) -> Call:
    """Hold a call in which somebody says one thing, under the peers' delays."""
    line = ScriptLine("line1", Speech(text, sound.duration_s, sound), Moment(2, "the call starts"))
    script = CallScript("benchmark", (line,), Moment(6.0, "line ends", "line1"), 60.0)
    providers = Providers(
        PacedSTT(text, sound), ScriptedLLM(["Very well."], 0.15, 0.01), PacedTTS(),
        offline().vad, offline().end_of_turn,
    )  # fmt: skip
    options = PipelineOptions(turns=TurnOptions(), head_start=head_start)
    return play(script, PipelineAgent(providers, (), options))


def sayings() -> list[tuple[str, Audio]]:
    """Return callers' sentences and people's, from their first audible sample to the last."""
    people = [p for p in data.prompts("en") if re.fullmatch(r"[^.!?]+[.!?]", p.text)]
    callers = [data.utterance(id, voice) for id in SENTENCES for voice in data.VOICES]
    said = [(caller.text, caller.audio) for caller in callers]
    said += [(p.text, p.audio) for p in people if len(p.text.split()) >= 5]
    return [(text, audio.trim(sound)) for text, sound in said]


def hesitations() -> list[tuple[str, Audio]]:
    """Return sentences with a pause inside, from 0.3 to 1.2 s long."""
    said = []
    for id in HESITATIONS:
        for voice in data.VOICES:
            item = data.utterance(id, voice)
            said += [(item.text, with_pause(item.audio, s)) for s in (0.3, 0.6, 0.8, 1.2)]
    return said


def with_pause(sound: Audio, pause_s: float) -> Audio:
    """Return a recording whose longest silence lasts pause_s."""
    loud = np.flatnonzero(np.abs(sound.samples) > 0.003)
    gaps = np.diff(loud)
    start, size = int(loud[gaps.argmax()]), int(gaps.max())
    pause = np.zeros(round(pause_s * sound.rate_hz), np.float32)
    samples = [sound.samples[:start], pause, sound.samples[start + size :]]
    return audio.trim(Audio(np.concatenate(samples), sound.rate_hz))


def paced(said: Sequence[tuple[str, Audio]], head_start: HeadStart) -> tuple[list[float], int]:
    """Return how long each speaker waits under the peers' delays, and how many are cut in on."""
    waits, cut_ins = [], 0
    for text, sound in said:
        (turn,) = stage_times(hold(text, sound, head_start).timeline)
        cut_ins += turn.cut_in
        if turn.ttfb_s is not None and not turn.cut_in:
            waits.append(turn.ttfb_s)
    return waits, cut_ins


# --- the table -----------------------------------------------------------------------------


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    head = "first P50   P95   max   useful   direct   cut-ins   begun: kept  dropped  CPU-s/min"
    print(f"{'build':20}{head}")
    waits = {name: measure_waits(head_start) for name, head_start in BUILDS.items()}
    cpu_s = {name: minute_cpu_s(head_start) for name, head_start in BUILDS.items()}
    for name, each in waits.items():
        p50, p95, most = np.percentile(each.first_s, [50, 95, 100])
        print(
            f"{name:20}{p50:9.3f} {p95:5.2f} {most:5.2f} {np.median(each.useful_s):8.2f}"
            f" {np.median(each.direct_s):8.3f} {each.cut_ins:9} {each.kept:13} {each.dropped:8}"
            f" {cpu_s[name]:10.2f}"
        )
    old, new = waits["no head start"], waits["head start"]
    print(f"{len(new.first_s)} turns, {len(new.direct_s)} of them without a tool")
    print(f"thrown away: {new.tokens} tokens and {new.voice_s:.1f} s of voice")
    said, pauses = sayings(), hesitations()
    figures = {
        "median_s": float(np.median(new.first_s)),
        "median_without_s": float(np.median(old.first_s)),
        "p95_s": float(np.percentile(new.first_s, 95)),
        "direct_median_s": float(np.median(new.direct_s)),
        "useful_median_s": float(np.median(new.useful_s)),
        "minute_cpu_s": cpu_s["head start"],
        "minute_cpu_without_s": cpu_s["no head start"],
        "dropped_share": new.dropped / max(1, new.dropped + new.kept),
    }
    for name, head_start in list(BUILDS.items())[:2]:
        ends_s, cut = paced(said, head_start)
        _, hesitating = paced(pauses, head_start)
        print(
            f"{name}, peers' delays: {np.median(ends_s):.3f} s ({min(ends_s):.2f} to "
            f"{max(ends_s):.2f}), cut in on {cut} of {len(said)} sentences and on {hesitating} of "
            f"{len(pauses)} hesitations"
        )
        key = name.replace(" ", "_")
        figures |= {f"{key}_peers_s": float(np.median(ends_s)), f"{key}_cut_ins": cut + hesitating}
    print(f"under the same delays: {', '.join(f'{n} {s:.2f} s' for n, s in PEERS_S.items())}")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
