"""What a telephone line leaves of a voice: for a recogniser, for the ear and for a VAD.

    python benchmarks/telephone_sound.py [--json] [--save]

Every recording goes through each line, 20 ms a packet. Losses are random, by a seed, the same for
each codec; packets that arrive are in time. WER: the words that Moonshine has wrong, of all words.
STOI: intelligibility beside the same codec without loss, so that it judges the concealment alone.
FEC: the encoder is told the loss that there is. --save writes data/telephone_sound.json.

Then a VAD on a line of mu-law with 20 dB of hiss: Silero at 8 kHz as it comes, and at 16 kHz after
upsampling. Counts over all turns; medians in seconds from the true start (end) until it is known.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.codec.perceptual_metrics import stoi
from voxlab.data.recordings import Recording
from voxlab.evaluation.word_errors import word_error_rate
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.telephony.network_conditions import NetworkConditions, travel
from voxlab.telephony.opus import Opus, has_opus
from voxlab.telephony.rtp import RtpSender
from voxlab.telephony.simulated_line import PacketCoder, TelephoneCoder, conceal_losses
from voxlab.vad.acoustic_scenes import lay_scene, move_to_room
from voxlab.vad.endpointing import VADOptions, speech_events
from voxlab.vad.error_rates import vad_costs
from voxlab.vad.silero import FRAME_S, SileroVAD

LINES = (
    *("weather_tomorrow", "weather_friday", "order_where", "order_check", "order_number"),
    *("order_unknown", "shipping_arrival", "shipping_tracking", "book_table", "book_full"),
    *("change_party", "cancel_reservation", "give_name", "correct_day", "real_person"),
    *("return_shoes", "how_much", "order_email", "repeat", "manager"),
)
LOSSES = (0.02, 0.05, 0.1, 0.2)
SEED = 11
Through = Callable[[Audio, float, int], Audio]


def recordings() -> list[Recording]:
    """Return what people and two synthetic voices say."""
    spoken = [data.utterance(id, voice) for voice in data.VOICES for id in LINES]
    return [*data.prompts("en"), *spoken]


def lost_packets(duration_s: float, loss: float, seed: int) -> set[int]:
    """Return the numbers of the packets that a network loses, in bursts of one."""
    sender = RtpSender(payload_type=0, ssrc=1)
    sent = [(0.02 * n, sender.packet(b"", 160)) for n in range(int(duration_s / 0.02) + 1)]
    arrived = travel(sent, NetworkConditions(loss=loss), np.random.default_rng(seed))
    return set(range(len(sent))) - {packet.sequence for _, packet in arrived}


def through(make: Callable[[float], PacketCoder]) -> Through:
    """Return a line: what is heard of a sound, at a loss, by a seed. make: the coder for a loss."""

    def carried(sound: Audio, loss: float, seed: int) -> Audio:
        lost = lost_packets(sound.duration_s, loss, seed) if loss else set()
        return conceal_losses(sound, make(loss), lost)

    return carried


def lines() -> dict[str, Through]:
    """Return the ways that a voice may travel, by name."""
    found: dict[str, Through] = {
        "G.711, silence": through(lambda loss: TelephoneCoder(is_concealed=False)),
        "G.711, repeated period": through(lambda loss: TelephoneCoder()),
    }
    if has_opus():
        found["Opus 24 kbit/s, PLC"] = through(lambda loss: Opus())
        found["Opus 24 kbit/s, FEC"] = through(lambda loss: Opus(expected_loss=loss))
    return found


def measure(line: Through, loss: float, stt: MoonshineSTT) -> dict[str, float]:
    """Return the figures of a line at a loss."""
    heard, scores = [], []
    for seed, recording in enumerate(recordings(), SEED):
        sound = recording.audio
        received = line(sound, loss, seed)
        heard.append(stt.recognize(received))
        if loss:
            scores.append(stoi(line(sound, 0.0, seed), received))
    figures = {"wer": round(word_error_rate([each.text for each in recordings()], heard), 4)}
    return figures | ({"stoi": round(float(np.mean(scores)), 4)} if scores else {})


def compare_sounds(stt: MoonshineSTT) -> list[dict[str, object]]:
    """Measure each line at each loss, and print a row for each."""
    plain: dict[str, Through] = {
        "16 kHz": lambda sound, loss, seed: sound.resample(16_000),
        "8 kHz, no codec": lambda sound, loss, seed: sound.resample(8_000),
    }
    rows = [(name, line, (0.0,)) for name, line in plain.items()]
    rows += [(name, line, (0.0, *LOSSES)) for name, line in lines().items()]
    figures: list[dict[str, object]] = []
    print(f"{'line':26}{'loss':>6}{'WER':>8}{'STOI':>8}")
    for name, line, losses in rows:
        for loss in losses:
            row = measure(line, loss, stt)
            figures.append({"line": name, "loss": loss, **row})
            score = f"{row['stoi']:8.3f}" if "stoi" in row else f"{'':8}"
            print(f"{name:26}{loss:6.0%}{row['wer']:8.1%}{score}", flush=True)
    return figures


def compare_vads() -> list[dict[str, float]]:
    """Measure both VADs on a line of mu-law, and print a row for each."""
    figures = []
    print(f"\n{'VAD on mu-law':26}{'turns':>6}{'missed':>8}{'cut off':>9}{'false/min':>11}", end="")
    print(f"{'start s':>9}{'end s':>7}")
    for rate_hz in (16_000, 8_000):
        vad, costs = SileroVAD(rate_hz), []
        for seed in (1, 2):
            rng = np.random.default_rng(seed)
            scene = lay_scene([each.audio for each in recordings()], rng)
            there = move_to_room(scene, "telephone", 20, rng)
            heard = audio.frames(there.audio.resample(rate_hz), vad.frame_size)
            stream = vad.stream()
            chances = [stream.probability(frame) for frame in heard]
            events = speech_events(chances, VADOptions(), FRAME_S, audio.levels_db(heard))
            costs.append(vad_costs(events, there.turns, there.audio.duration_s, 0.5))
        row = {
            "rate_hz": rate_hz,
            "turns": sum(each.turns for each in costs),
            "missed": sum(each.missed for each in costs),
            "cut_off": sum(each.cut_off for each in costs),
            "false_alarms_per_min": sum(each.false_alarms for each in costs)
            / (sum(each.quiet_s for each in costs) / 60),
            "start_known_s": round(
                statistics.median(s for each in costs for s in each.starts_s), 4
            ),
            "end_known_s": round(statistics.median(s for each in costs for s in each.ends_s), 4),
        }
        figures.append(row)
        print(f"{f'Silero at {rate_hz} Hz':26}{row['turns']:6}{row['missed']:8}", end="")
        print(f"{row['cut_off']:9}{row['false_alarms_per_min']:11.2f}", end="")
        print(f"{row['start_known_s']:9.2f}{row['end_known_s']:7.2f}", flush=True)
    return figures


def main() -> None:
    """Measure, print the tables, and with --json a last line for programs."""
    figures = {"sound": compare_sounds(MoonshineSTT()), "vad": compare_vads()}
    if "--save" in sys.argv[1:]:
        words = sum(len(each.text.split()) for each in recordings())
        head = {
            "command": "python benchmarks/telephone_sound.py --save",
            "date": time.strftime("%Y-%m-%d"),
            "machine": platform.machine(),
            "recordings": len(recordings()),
            "words": words,
        }
        target = data.folder() / "telephone_sound.json"
        target.write_text(json.dumps(head | figures, indent=1) + "\n", "utf-8")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
