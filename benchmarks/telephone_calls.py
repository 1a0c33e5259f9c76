"""What a telephone line adds to the waits of a call: directly, over Twilio's protocol, over SIP.

    python benchmarks/telephone_calls.py [--json]

The scripts of data/calls, with the offline engines, in virtual time. `wait` is from the caller's
last sound to the first of the answer that they hear, in ms; turns that an agent does not answer, or
cuts in on, are left out. Twilio's line has 30 ms of network each way, a frame of 20 ms to fill and
one to play, and a tenth of a second in which a message may be late; SIP's has the same network, and
a jitter buffer at each end. What differs beyond that is what the agent heard: its recogniser and
its end-of-turn judge hear other samples.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import statistics
import sys

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import Party, play
from voxlab.agents.datagrams import MemoryNetwork
from voxlab.agents.telephone.agent import TelephoneOptions, telephone_agent
from voxlab.agents.telephone.sip_phone import OverSip
from voxlab.agents.telephone.twilio_phone import OverTwilio
from voxlab.evaluation.turn_times import interruptions, turn_times

SCRIPTS = ("first_call", "barge_in", "hesitation", "cafe", "order_number", "minute")


def ways() -> dict[str, Party]:
    """Return how the agent is reached."""
    return {
        "direct, 16 kHz": telephone_agent(options=TelephoneOptions(16_000)),
        "direct, 8 kHz": telephone_agent(),
        "Twilio": OverTwilio(telephone_agent()),
        "SIP": OverSip(telephone_agent(), network=MemoryNetwork(0.03)),
    }


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    names = list(ways())
    print(f"{'turn':34}" + "".join(f"{name:>16}" for name in names))
    waits_s: dict[str, list[float | None]] = {name: [] for name in names}
    yields_s: dict[str, list[float]] = {name: [] for name in names}
    for script_name in SCRIPTS:
        script = load_script(data.path(f"calls/{script_name}.yaml"))
        calls = {name: play(script, agent) for name, agent in ways().items()}
        turns = {name: turn_times(call.timeline) for name, call in calls.items()}
        for name, call in calls.items():
            yields_s[name] += [each.yield_s for each in interruptions(call.timeline)]
        for number, row in enumerate(zip(*turns.values(), strict=False)):
            told = [None if turn.cut_off else turn.ttfb_s for turn in row]
            for name, wait_s in zip(names, told, strict=True):
                waits_s[name].append(wait_s)
            cells = [f"{'-':>16}" if s is None else f"{1000 * s:16.0f}" for s in told]
            print(f"{script_name} {number + 1}: {row[0].text[:18]}"[:33].ljust(34) + "".join(cells))
    whole = [row for row in zip(*waits_s.values(), strict=True) if None not in row]
    medians = [1000 * statistics.median(column) for column in zip(*whole, strict=True)]
    print(f"{f'median of {len(whole)} turns':34}" + "".join(f"{each:16.0f}" for each in medians))
    figures = {"turns": len(whole)}
    figures |= {f"{keys(name)}_wait_ms": round(m) for name, m in zip(names, medians, strict=True)}
    direct = names.index("direct, 8 kHz")
    for line in ("Twilio", "SIP"):
        added = [1000 * (row[names.index(line)] - row[direct]) for row in whole]
        low, middle, high = statistics.quantiles(added, n=4)
        print(
            f"{line} beside direct, 8 kHz: median {middle:+.0f} ms, the middle half of the turns "
            f"{low:+.0f} to {high:+.0f} ms"
        )
        figures |= {
            f"{keys(line)}_added_q{n}_ms": round(q) for n, q in ((1, low), (2, middle), (3, high))
        }
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


def keys(name: str) -> str:
    """Return a column's name as programs have it."""
    return name.lower().replace(", ", "_").replace(" khz", "k")


if __name__ == "__main__":
    main()
