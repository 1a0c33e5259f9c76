"""How long do three judges say that callers waited in the same calls, and why do they differ.

    python benchmarks/judges.py [--json]

Ours (`evaluation.judge_recording`) beside two that others wrote, voicebench and audiotrace:

    .venv/bin/pip install -c constraints.txt -e '.[bench]'
    .venv/bin/pip install --no-deps audiotrace==1.2.3 rich

audiotrace's requirements are networks that tell speakers apart; with two channels none is needed.
It gets the stretches of speech that our judge hears, and measures between them. voicebench gets
both channels and the script's times, and hears speech by its level.

Calls of data/suite, with the shop's agent and with a hasty one that answers after 0.2 s of silence.
Judges agree within AGREE_S. Every other turn gets its reason; one without is an error.

Measured in November 2026: of 38 turns all three agree on 31, to within 10 ms. The others
are four in a noisy cafe, and three in which the agent cut in.
"""

import json
import sys
from dataclasses import dataclass, replace

from audiotrace.latency import RESPONSE_NOISE_FLOOR_MS, extract_waterfall
from audiotrace.models import Transcript, Turn
from evaluation import voicebench_record
from voicebench.metrics import TurnResult, analyze

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.shop import shop_agent
from voxlab.evaluation.recording_judge import JudgedRecording, JudgedTurn, judge_recording
from voxlab.providers.offline import offline
from voxlab.timeline import Call

SCRIPTS = (
    *("order_clean", "order_cafe", "booking_corrected", "uh_huh", "hesitant_number"),
    *("human_hesitation", "corrected_number"),
)
AGREE_S = 0.05
FLOOR_S = RESPONSE_NOISE_FLOOR_MS / 1000


@dataclass(frozen=True)
class Verdict:
    """What three judges say of one turn: seconds of wait, None for no wait."""

    ours: JudgedTurn
    voicebench: TurnResult
    audiotrace_s: float | None

    @property
    def voicebench_s(self) -> float | None:
        """What voicebench says."""
        wait_ms = self.voicebench.response_latency_ms
        return None if wait_ms is None else wait_ms / 1000

    @property
    def is_shared(self) -> bool:
        """Whether all three say the same."""
        waits_s = self.ours.ttfb_s, self.voicebench_s, self.audiotrace_s
        known = [wait_s for wait_s in waits_s if wait_s is not None]
        return not known or (len(known) == 3 and max(known) - min(known) <= AGREE_S)

    @property
    def reason(self) -> str:
        """Why they differ; "" if we do not know."""
        wait_s, heard_to_s = self.ours.ttfb_s, self.voicebench.user_offset_s
        if heard_to_s is not None and heard_to_s - self.ours.end_s > 1:
            return "voicebench takes the room for the caller: it goes by the level alone"
        if self.ours.cut_in and self.audiotrace_s is None and (self.voicebench_s or 0) < 0:
            return "the agent cut in: less than no wait to voicebench, none to us and audiotrace"
        if wait_s is not None and wait_s <= FLOOR_S and self.audiotrace_s is None:
            return f"audiotrace leaves out waits up to {FLOOR_S:g} s"
        return ""


def main() -> None:
    """Judge, print a table, and with --json a last line for programs."""
    head = f"{'ours':>8}{'voicebench':>12}{'audiotrace':>12}"
    print(f"{'agent':7}{'script':19}{'caller done':>12}{head}")
    verdicts: list[Verdict] = []
    for name in SCRIPTS:
        script = load_script(data.path(f"suite/{name}.yaml"))
        for agent_name, agent in agents().items():
            found = judge(play(script, agent))
            verdicts += found
            for each in found:
                waits = told(each.ours.ttfb_s), told(each.voicebench_s), told(each.audiotrace_s)
                row = f"{waits[0]:>8}{waits[1]:>12}{waits[2]:>12}"
                why = "" if each.is_shared else f"  {each.reason or 'WHY?'}"
                print(f"{agent_name:7}{name:19}{each.ours.end_s:12.2f}{row}{why}")
    apart = [each for each in verdicts if not each.is_shared]
    unknown = sum(not each.reason for each in apart)
    print(f"{len(verdicts)} turns: {len(apart)} judged differently, {unknown} for no known reason")
    if "--json" in sys.argv[1:]:
        print(json.dumps({"turns": len(verdicts), "apart": len(apart), "unexplained": unknown}))
    sys.exit(1 if unknown else 0)


def told(wait_s: float | None) -> str:
    """Return a wait as the table shows it."""
    return "-" if wait_s is None else f"{wait_s:.3f}"


def agents() -> dict[str, PipelineAgent]:
    """Return the shop's agent, and one that does not ask whether a turn sounds finished."""
    usual = PipelineOptions()
    quick = replace(usual, turns=replace(usual.turns, silence_s=0.2))
    return {
        "shop": shop_agent(),
        "hasty": shop_agent(replace(offline(), end_of_turn=None), quick),
    }


def judge(call: Call) -> list[Verdict]:
    """Return what the three say of each turn."""
    judged = judge_recording(call)
    waits_s = by_audiotrace(judged)
    return [
        Verdict(ours, theirs, waits_s.get(round(1000 * ours.end_s)))
        for ours, theirs in zip(judged.turns, analyze(voicebench_record(call)).turns, strict=True)
    ]


def by_audiotrace(judged: JudgedRecording) -> dict[int, float]:
    """Return audiotrace's waits in seconds, by the end of the caller's turn in ms."""
    spans = [(turn.start_s, turn.end_s, "caller") for turn in judged.turns]
    spans += [(speech.start_s, speech.end_s, "agent") for speech in judged.agent]
    turns = [
        Turn(speaker=who, text="", start_ms=round(1000 * start_s), end_ms=round(1000 * end_s))
        for start_s, end_s, who in sorted(spans)
    ]
    return {
        span.start_ms: span.duration_ms / 1000
        for span in extract_waterfall(Transcript(turns=turns))
    }


if __name__ == "__main__":
    main()
