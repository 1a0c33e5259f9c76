"""Does it pay to be louder than a room that talks? Every room, without `TalkingRoom` and with it.

    python benchmarks/rooms.py [--json]

People and two synthetic voices, twice each, in voxlab's rooms; a turn ends after 0.5 s of silence.
Every figure is a count over all turns, but the medians: seconds from the true start (end) of a turn
until it is known.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import statistics
import sys
from collections.abc import Sequence

import numpy as np

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.vad.acoustic_scenes import lay_scene, move_to_room
from voxlab.vad.endpointing import VADOptions, speech_events
from voxlab.vad.error_rates import VADCosts, vad_costs
from voxlab.vad.silero import FRAME_SIZE, speech_probabilities

SEEDS = (1, 2)
SILENCE_S = 0.5
PLACES = (
    ("clean", (0,)),
    ("cafe", (15, 10, 5, 3)),
    ("colleague", (15,)),
    ("car", (10, 0)),
    ("keyboard", (5,)),
    ("hold music", (15, 10, 5)),
    ("telephone", (20, 10, 5)),
)
LINES = (
    *("weather_tomorrow", "weather_friday", "order_where", "order_check", "order_number"),
    *("order_unknown", "shipping_arrival", "shipping_tracking", "book_table", "book_full"),
    *("change_party", "cancel_reservation", "give_name", "correct_day", "real_person"),
    *("goodbye", "yes_please", "repeat", "joke", "stop"),
)
OPTIONS = {
    "without": VADOptions(start_over_floor_db=0.0, stop_over_floor_db=0.0),
    "with": VADOptions(),
}


def speakers() -> dict[str, list[Audio]]:
    """Return the turns of each kind of voice."""
    people = [prompt.audio for language in ("en", "es") for prompt in data.prompts(language)]
    voices = {voice: [data.utterance(id, voice).audio for id in LINES] for voice in data.VOICES}
    return {"people": people, **voices}


def costs(room: str, snr_db: float) -> dict[str, list[VADCosts]]:
    """Return what a room costs, without and with the comparison: one entry a scene."""
    found: dict[str, list[VADCosts]] = {name: [] for name in OPTIONS}
    for recordings in speakers().values():
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            there = move_to_room(lay_scene(recordings, rng), room, snr_db, rng)
            heard = speech_probabilities(there.audio)
            levels_db = audio.levels_db(audio.frames(there.audio, FRAME_SIZE))
            for name, options in OPTIONS.items():
                events = speech_events(heard, options, levels_db=levels_db)
                duration_s = there.audio.duration_s
                found[name].append(vad_costs(events, there.turns, duration_s, SILENCE_S))
    return found


def summary(each: Sequence[VADCosts]) -> dict[str, float]:
    """Return the costs of all scenes together."""
    starts_s = [wait_s for costs in each for wait_s in costs.starts_s]
    ends_s = [wait_s for costs in each for wait_s in costs.ends_s]
    quiet_min = sum(costs.quiet_s for costs in each) / 60
    return {
        "turns": sum(costs.turns for costs in each),
        "false_alarms_per_min": sum(costs.false_alarms for costs in each) / quiet_min,
        "missed": sum(costs.missed for costs in each),
        "cut_off": sum(costs.cut_off for costs in each),
        "end_unheard": sum(costs.unended for costs in each),
        "start_known_s": statistics.median(starts_s) if starts_s else float("nan"),
        "end_known_s": statistics.median(ends_s) if ends_s else float("nan"),
    }


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    figures: dict[str, dict[str, float]] = {}
    print(f"{'room':20}{'':9}{'false/min':>10}{'missed':>8}{'cut off':>9}", end="")
    print(f"{'end unheard':>13}{'start s':>9}{'end s':>7}")
    for room, snrs_db in PLACES:
        for snr_db in snrs_db:
            where = room if room == "clean" else f"{room}, {snr_db} dB"
            for name, each in costs(room, snr_db).items():
                row = figures[f"{where}, {name}"] = summary(each)
                print(
                    f"{where:20}{name:9}{row['false_alarms_per_min']:10.1f}{row['missed']:8}"
                    f"{row['cut_off']:9}{row['end_unheard']:7} of {row['turns']:<3}"
                    f"{row['start_known_s']:8.2f}{row['end_known_s']:7.2f}",
                    flush=True,
                )
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
