#!/usr/bin/env bash
# audiotrace 1.2.3: which answers does its latency waterfall show?
#
# One would guess all of them, one for each turn of the caller. Answers within 250 ms are left out,
# as pauses too short to be an answer's, and so are those that cut in. An agent that answers after
# 0.2 s, as people do, has no latency at all; and of an agent that mostly does, the waterfall shows
# its slow turns only. Whoever takes a mean or a P50 of the spans ranks it behind a slower agent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pydantic==2.14.3 rich==15.0.0
# its other requirements are networks that tell the speakers apart; turns that are known need none
"$folder/venv/bin/pip" install -q --no-deps audiotrace==1.2.3
cat > "$folder/judge.py" <<'PYTHON'
from statistics import median

from audiotrace.latency import extract_waterfall
from audiotrace.models import Transcript, Turn


def waits_ms(answers_ms):
    """Return the waits that are shown of an agent that answers each question after so long."""
    turns = []
    for n, wait_ms in enumerate(answers_ms):
        done_ms = 5000 * n + 1000
        question = Turn(speaker="caller", text="?", start_ms=done_ms - 1000, end_ms=done_ms)
        begins_ms = done_ms + wait_ms
        answer = Turn(speaker="agent", text="!", start_ms=begins_ms, end_ms=begins_ms + 1000)
        turns += [question, answer]
    return [span.duration_ms for span in extract_waterfall(Transcript(turns=turns))]


quick, steady = [200, 200, 200, 200, 900], [500, 500, 500, 500, 500]
for name, answers_ms in (("quick", quick), ("steady", steady)):
    shown = waits_ms(answers_ms)
    print(f"{name} agent: waits {answers_ms} ms, shown {shown} ms, P50 {median(shown)} ms")
at_the_edge = waits_ms([250, 251])
print(f"of 250 and 251 ms it shows {at_the_edge}")
as_told = waits_ms(quick) == [900] and waits_ms(steady) == steady and at_the_edge == [251]
raise SystemExit(0 if as_told else 1)
PYTHON
echo "audiotrace 1.2.3"
"$folder/venv/bin/python" "$folder/judge.py"
