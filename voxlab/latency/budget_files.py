"""Latency budgets of your own, in YAML, and any budget's figures as plain values.

    name: our shop
    target_ms: 800
    stages:
      - {name: STT, latency_ms: 150}
      - {name: LLM, latency_ms: 600, first_ms: 200}
      - {name: TTS, latency_ms: 130, first_ms: 60, overlaps: [LLM]}

A list of such mappings is drawn as several budgets. `Stage` and `Budget` explain the keys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxlab.data.yaml_files import read_yaml, refuse_unknown_keys
from voxlab.errors import LatencyError
from voxlab.latency.budgets import Budget, Stage

BUDGET_KEYS = ("name", "about", "target_ms", "heard", "stages")
STAGE_KEYS = ("name", "latency_ms", "first_ms", "after", "overlaps")


def read_budgets(path: str | Path) -> tuple[Budget, ...]:
    """Return the budgets in a YAML file.

    Raises DataError if it cannot be read as YAML, LatencyError if a key is missing or unknown, a
    value has another type, or `Budget` refuses it.
    """
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    if not entries:
        raise LatencyError(f"{path}: no budget in it, needs the keys {', '.join(BUDGET_KEYS)}")
    try:
        return tuple(_budget(entry, Path(path).stem) for entry in entries)
    except LatencyError as error:
        raise LatencyError(f"{path}: {error}") from error


def _budget(entry: Any, name: str) -> Budget:
    _check_keys(entry, BUDGET_KEYS, "a budget")
    stages = entry.get("stages")
    if not isinstance(stages, list):
        raise LatencyError(f"stages is {stages!r}: needs a list of {{name: .., latency_ms: ..}}")
    return Budget(
        str(entry.get("name") or name),
        _seconds(entry, "target_ms"),
        tuple(map(_stage, stages)),
        heard=str(entry.get("heard") or ""),
        about=str(entry.get("about") or ""),
    )


def _stage(entry: Any) -> Stage:
    _check_keys(entry, STAGE_KEYS, "a stage")
    if not entry.get("name"):
        raise LatencyError(f"a stage without a name: {entry!r}")
    return Stage(
        str(entry["name"]),
        _seconds(entry, "latency_ms"),
        _seconds(entry, "first_ms") if "first_ms" in entry else None,
        _names(entry, "after"),
        _names(entry, "overlaps"),
    )


def _seconds(entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise LatencyError(f"{key} is {value!r} in {dict(entry)!r}: needs milliseconds")
    return round(value / 1000, 12)


def _names(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key) or []
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _check_keys(entry: Any, known: tuple[str, ...], what: str) -> None:
    if not isinstance(entry, dict):
        raise LatencyError(f"{what} is {entry!r}: needs the keys {', '.join(known)}")
    refuse_unknown_keys(entry, known, what, LatencyError)


def budget_figures(budget: Budget) -> dict[str, Any]:
    """Return a budget's figures as plain values, times in milliseconds."""
    return {
        "name": budget.name,
        "target_ms": _ms(budget.target_s),
        "first_audio_ms": _ms(budget.first_audio_s),
        "total_ms": _ms(budget.total_s),
        "slack_ms": _ms(budget.slack_s),
        "broken_by": budget.broken_by,
        "path": list(budget.path),
        "stages": [
            {
                "name": stage.name,
                "latency_ms": _ms(stage.latency_s),
                "starts_ms": _ms(span.start_s),
                "first_ms": _ms(span.first_s),
                "ends_ms": _ms(span.end_s),
                "room_ms": _ms(budget.room_s(stage.name)),
            }
            for stage, span in zip(budget.stages, budget.spans, strict=True)
        ],
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 6)
