#!/usr/bin/env bash
# voicebench 0.2.0: does its check of an agent's response latency catch one that cuts in?
#
# Of an agent that begins to answer while the caller still speaks, one would guess that it fails, or
# that it has no latency. Its latency is negative, and goes into the median as any other; the turn
# passes, for the agent did respond. A talk-over is counted, but no key of the `assert` block asks
# for it: an agent that always starts 300 ms too early passes every limit, and a polite one that
# takes 600 ms does not. Look at `talk_overs` beside the latency, or leave such turns out of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 voicebench==0.2.0
cat > "$folder/judge.py" <<'PYTHON'
import numpy as np
from voicebench.metrics import analyze, check_assertions, summarize
from voicebench.runner import SessionRecord, TurnWindow
from voicebench.scenario import ASSERT_KEYS, parse_scenario

RATE_HZ = 16_000
CALLER_S = 1.0, 3.0  # speaks from here to here, of 8 s
SCENARIO = parse_scenario(
    {
        "name": "a question",
        "sample_rate": RATE_HZ,
        "turns": [{"audio": {"synth": "speech", "duration_ms": 2000}, "expect": "respond"}],
        "assert": {"p50_response_latency_ms": 500, "max_missed_responses": 0},
    }
)


def voice(start_s, end_s):
    time_s = np.arange(8 * RATE_HZ) / RATE_HZ
    hum = 0.1 * np.sin(2 * np.pi * 220 * time_s)
    return np.where((time_s >= start_s) & (time_s < end_s), hum, 0).astype(np.float32)


def judge(starts_s):
    turn = TurnWindow(SCENARIO.turns[0], *CALLER_S, "anchor")
    voices = voice(*CALLER_S), voice(starts_s, 6.0)
    found = summarize([analyze(SessionRecord(SCENARIO, {}, "virtual", *voices, [turn]))])
    passes = all(each.passed for each in check_assertions(found, SCENARIO.assertions))
    median_ms = found["response_latency_ms"]["p50"]
    print(f"answers at {starts_s} s, the caller speaks until 3.0 s: median {median_ms} ms,", end=" ")
    print(f"talk-overs {found['talk_overs']}, limits {'held' if passes else 'not held'}")
    return passes, median_ms


early, early_ms = judge(2.7)
polite, _ = judge(3.6)
asks = [key for key in ASSERT_KEYS if "talk" in key]
print(f"keys of `assert` that ask for talk-overs: {asks or 'none'}")
raise SystemExit(0 if early and early_ms < 0 and not polite and not asks else 1)
PYTHON
echo "voicebench 0.2.0"
"$folder/venv/bin/python" "$folder/judge.py"
