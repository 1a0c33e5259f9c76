"""Turns a second: the max-plus recursion beside SimPy and beside the agent itself. One thread.

    pip install 'voxlab[bench]'; python benchmarks/latency.py [--json]

All three take the same draws and must give the same answers, to the bit. The recursion's time has
its draws in it; SimPy and the agent are given theirs.
Targets: a million streaming turns under 1.5 s and 1 GB, and 100 times SimPy's turns a second.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from voxlab.agents.replayed_draws import play_turns
from voxlab.evaluation.turn_times import turn_times
from voxlab.latency.random_turns import TurnDraws, draw_turns, fit_turn_model
from voxlab.latency.simulation import monte_carlo, simulate

TURNS, TURNS_SIMPY, TURNS_AGENT = 1_000_000, 5_000, 500
ROUNDS = 5
MODEL = fit_turn_model("stt/nova-3", "llm/gpt-4o-mini", "tts/sonic-3.5")
Answer = list[tuple[float, float]]


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    numpy_s = seconds(lambda: monte_carlo(MODEL, TURNS, np.random.default_rng(1)))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    draws = draw_turns(MODEL, TURNS_SIMPY, np.random.default_rng(2)).quantised()
    expected = by_recursion(draws)
    rows = [named.tolist() for named in turn_rows(draws)]
    if [by_simpy(*row) for row in zip(*rows, strict=True)] != expected:
        sys.exit("SimPy and the recursion disagree")
    if by_agent(draws) != expected[:TURNS_AGENT]:
        sys.exit("the agent and the recursion disagree")
    simpy_s = seconds(lambda: [by_simpy(*row) for row in zip(*rows, strict=True)])
    agent_s = seconds(lambda: by_agent(draws))
    figures = {
        "turns_per_s_numpy": TURNS / numpy_s,
        "turns_per_s_simpy": TURNS_SIMPY / simpy_s,
        "turns_per_s_agent": TURNS_AGENT / agent_s,
        "million_turns_s": numpy_s * 1e6 / TURNS,
        "peak_mb": peak_mb,
    }
    for name, value in figures.items():
        print(f"{name:20} {value:14,.2f}")
    ratio = figures["turns_per_s_numpy"] / figures["turns_per_s_simpy"]
    print(f"the recursion takes {ratio:.0f} times as many turns a second as SimPy; first audio and")
    print(f"end equal to the bit: {TURNS_SIMPY} turns by SimPy, {TURNS_AGENT} by the agent")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds of some work, the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start_s = time.process_time()
        work()
        rounds.append(time.process_time() - start_s)
    return statistics.median(rounds)


def by_recursion(draws: TurnDraws) -> Answer:
    timings = simulate(draws)
    return list(zip(timings.ttfb_s.tolist(), timings.total_s.tolist(), strict=True))


def by_agent(draws: TurnDraws) -> Answer:
    calls = play_turns(draws, range(TURNS_AGENT))
    turns = [turn_times(call.timeline)[0] for call in calls]
    times_s = [(turn.ttfb_s, turn.reply_end_s - turn.end_s) for turn in turns]
    downlinks_s = draws.downlink_s[:TURNS_AGENT].tolist()
    return [(a + d, b + d) for (a, b), d in zip(times_s, downlinks_s, strict=True)]


def turn_rows(draws: TurnDraws) -> list[Any]:
    """Return what by_simpy takes, (turns, ...) each."""
    one = ("uplink_s", "vad_silence_s", "end_silence_s", "stt_s", "llm_first_token_s", "word_s")
    many = ("words", "tts_first_audio_s", "tts_synthesis_s", "speech_s")
    named = draws.named()
    return [named[x] for x in (*one, "downlink_s")] + [named[x].T for x in many]


def by_simpy(
    uplink_s: float,
    vad_s: float,
    end_s: float,
    stt_s: float,
    first_token_s: float,
    word_s: float,
    downlink_s: float,
    *sentences: list[float],
) -> tuple[float, float]:
    """Return (ttfb_s, total_s) of one streaming turn, as processes that pass on sentences."""
    env = simpy.Environment()
    written, made = simpy.Store(env), simpy.Store(env)
    heard_s: list[float] = []

    def write() -> Generator[simpy.Event, None, None]:
        yield env.timeout(uplink_s)
        transcript = env.process(recognise())
        yield env.timeout(end_s) & transcript
        yield env.timeout(first_token_s)
        words = -1
        begun_s = env.now
        for sentence in zip(*sentences, strict=True):
            if sentence[0]:
                words += sentence[0]
                yield env.timeout(begun_s + words * word_s - env.now)
                yield written.put(sentence)
        yield written.put(None)

    def recognise() -> Generator[simpy.Event, None, None]:
        yield env.timeout(vad_s)
        yield env.timeout(stt_s)

    def synthesise() -> Generator[simpy.Event, None, None]:
        while (sentence := (yield written.get())) is not None:
            _, first_audio_s, synthesis_s, speech_s = sentence
            yield env.timeout(first_audio_s)
            yield made.put(speech_s)
            yield env.timeout(max(0.0, synthesis_s - first_audio_s))
        yield made.put(None)

    def play() -> Generator[simpy.Event, None, None]:
        while (speech_s := (yield made.get())) is not None:
            heard_s.append(env.now)
            yield env.timeout(speech_s)
            heard_s.append(env.now)

    for process in (write, synthesise, play):
        env.process(process())
    env.run()
    return heard_s[0] + downlink_s, heard_s[-1] + downlink_s


if __name__ == "__main__":
    main()
