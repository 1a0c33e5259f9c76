"""What the commands print of a call: as it happens, and when it is over."""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxlab.timeline import Call, Event


@contextlib.contextmanager
def unread(*more: int) -> Iterator[None]:
    """End the block, without an error, once nobody reads what it prints: `voxlab ... | head`.

    more: further numbers of `errno` that mean this. Python would print what is left at its end: it
    goes to the null device.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, *more):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_live(event: "Event") -> None:
    """Print what is said, as it is said, and what fails."""
    said = {
        ("caller", "speech_started"): "caller",
        ("turn", "commit"): "heard ",
        ("agent", "sentence"): "agent ",
        ("tool", "started"): "tool  ",
    }.get((event.source, event.kind))
    if said:
        with contextlib.suppress(OSError):  # the terminal is gone: the call must not be lost
            print(f"{event.at_s:7.2f} s  {said}  {event.data.get('text', event.data.get('name'))}")
    print_failure(event)


def print_failure(event: "Event") -> None:
    """Print a line on the error stream if somebody fails, or the connection is lost."""
    said = event.failure if event.is_failure else ""
    if event.kind == "disconnected":
        said = f"the connection was lost: {event.data.get('error')}"
    if said:
        with contextlib.suppress(OSError):
            print(f"{event.at_s:7.2f} s  {said}", file=sys.stderr, flush=True)


def stop_signal(call: "Call") -> int:
    """Return the number of the signal that ended the call; 0 if none did."""
    stops = call.timeline.select("transport", "stopped")
    return int(stops[-1].data["signal"]) if stops else 0


def exit_status(call: "Call") -> int:
    """Return 128 and the signal that ended the call, 1 if something failed, else 0."""
    if number := stop_signal(call):
        return 128 + number
    return int(bool(call.timeline.failures))


def report_call(call: "Call", folder: Path) -> None:
    """Print the transcript, the response times and the interruptions."""
    from voxlab.evaluation.mishearing import find_misheard
    from voxlab.evaluation.turn_times import interruptions, transcript, turn_times

    heard_as = find_misheard(call.timeline)
    for at_s, who, text in transcript(call.timeline):
        print(f"{at_s:7.2f} s  {who:6}  {text}")
        if who == "caller" and at_s in heard_as:
            print(f"           heard  {heard_as[at_s] or '(nothing)'}")
    print("\nTTFB of each turn (from the caller's last sound to the agent's first):")
    for turn in turn_times(call.timeline):
        outcome = "the agent went on" if turn.resumed else "no reply"
        if turn.ttfb_s is not None:
            outcome = f"{1000 * turn.ttfb_s:5.0f} ms" + (", cut off" if turn.cut_off else "")
        print(f"  {outcome}  {turn.text}")
    for cut in interruptions(call.timeline):
        kept = "went on" if cut.resumed else f'heard: "{cut.heard}", dropped: "{cut.unheard}"'
        print(f"interruption at {cut.at_s:.2f} s, silent after {1000 * cut.yield_s:.0f} ms; {kept}")
    if not stop_signal(call):
        for event in call.timeline.select("caller", "waited"):
            print(f"\n{_tell_wait(**event.data)}")
    reason = call.timeline.end_reason
    files = "call.html" if call.user is None else f"call.wav and {folder}/call.html"
    print(f"\n{reason} after {call.timeline.duration_s:.1f} s; see {folder}/{files}")
    print_failures(call)


def _tell_wait(line: str, moment: str, said: str) -> str:
    """Say which line was not said, what it waited for, and what was said instead."""
    what = "the caller did not hang up" if line == "hang_up" else f"line {line} was not said"
    return (
        f"{what}: it waited for {moment}. Instead the agent said, since the caller's last word: "
        f"{said or 'nothing'}"
    )


def print_failures(call: "Call", name: str = "") -> None:
    """Print each different failure once, with how often it came. name: of the call."""
    reasons = [name + event.failure for event in call.timeline.failures]
    for reason in dict.fromkeys(reasons):
        times = f" ({reasons.count(reason)} times)" if reasons.count(reason) > 1 else ""
        print(reason + times)


def call_figures(call: "Call") -> dict[str, Any]:
    """Return a call's figures as plain values; times in seconds."""
    from voxlab.evaluation.mishearing import find_misheard
    from voxlab.evaluation.turn_times import interruptions, transcript, turn_times

    timeline = call.timeline
    return {
        "duration_s": timeline.duration_s,
        "ended": timeline.end_reason,
        "turns": [{**asdict(turn), "ttfb_s": turn.ttfb_s} for turn in turn_times(timeline)],
        "interruptions": [asdict(cut) for cut in interruptions(timeline)],
        "transcript": [
            {"at_s": at_s, "who": who, "text": text} for at_s, who, text in transcript(timeline)
        ],
        "misheard": [
            {"at_s": at_s, "heard": heard} for at_s, heard in find_misheard(timeline).items()
        ],
        "failures": [
            {"at_s": event.at_s, "source": event.source, "what": event.failure}
            for event in timeline.failures
        ],
    }


def print_json(figures: Mapping[str, Any]) -> None:
    """Print figures as one JSON object on one line, the last of the output."""
    from voxlab.timeline import to_plain

    print(json.dumps(to_plain(figures)))
