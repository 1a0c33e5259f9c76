"""A call's trace as text: its figures, then a line a span, each with a bar on its turn's time."""

from collections.abc import Iterator
from statistics import median

from voxlab.evaluation.panel import FEWEST_FOR_P95
from voxlab.evaluation.stage_work import STAGES
from voxlab.evaluation.wait_parts import DECIDING, LINE, NOBODY
from voxlab.observability import conventions as names
from voxlab.observability.call_spans import CallSpan, part_name
from voxlab.observability.session_metrics import OUTCOMES, VoiceSessionMetrics

BAR = 40  # characters, of a turn or of what is in no turn
NAME = 24
PARTS = {part_name(part): part for part in (DECIDING, *STAGES, LINE, NOBODY)}


def metrics_text(metrics: VoiceSessionMetrics) -> str:
    """Return a session's metrics in a few lines: what is no wait stands beside the waits."""
    counts = dict(zip(OUTCOMES, _counts(metrics), strict=True))
    turns = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in counts.items())
    lines = [
        f"session {metrics.session_id}, {metrics.duration_s:.1f} s",
        f"turns: {metrics.turns} ({turns})",
        f"TTFB of the answered: {_ttfb(metrics)}",
        f"interruptions {metrics.interruptions}, tool calls {metrics.tool_calls} "
        f"({metrics.tool_failures} failed), errors {metrics.errors}",
        f"thrown away: {metrics.dropped_replies} replies begun too early "
        f"({metrics.dropped_tokens} tokens, {metrics.dropped_voice_s:.1f} s of speech), "
        f"{metrics.unheard_words} words that were not heard",
    ]
    if metrics.cut_in_s:
        lines.append(f"the agent cut in, at most {_ms(max(metrics.cut_in_s))} too early")
    return "\n".join(lines)


def _counts(metrics: VoiceSessionMetrics) -> tuple[int, ...]:
    return len(metrics.ttfb_s), len(metrics.cut_in_s), metrics.resumed, metrics.unanswered


def _ttfb(metrics: VoiceSessionMetrics) -> str:
    if metrics.ttfb_p50_s is None:
        return "none"
    p95_s, count = metrics.ttfb_p95_s, len(metrics.ttfb_s)
    tail = f"P95 N/A ({count} of {FEWEST_FOR_P95} turns)" if p95_s is None else f"P95 {_ms(p95_s)}"
    return f"P50 {_ms(metrics.ttfb_p50_s)}, {tail}, slowest {_ms(max(metrics.ttfb_s))}"


def stages_text(metrics: VoiceSessionMetrics) -> str:
    """Return what each stage took as a table; stages overlap, so that their sum is no wait."""
    rows = [
        f"{stage:8} {len(times_s):5} {_ms(median(times_s)):>9} {_ms(max(times_s)):>9}"
        for stage, times_s in metrics.stage_s.items()
        if times_s
    ]
    return "\n".join([f"{'stage':8} {'times':>5} {'P50':>9} {'slowest':>9}", *rows])


def trace_text(root: CallSpan) -> str:
    """Return a trace as a tree.

    A bar begins and ends as its span does, on the time of the turn; `│` is the first output. What
    is in no turn, such as the greeting, has the time of the whole call.
    """
    return "\n".join(_lines(root, "", "", root))


def _lines(span: CallSpan, head: str, below: str, scale: CallSpan) -> Iterator[str]:
    name = f"{head}{span_name(span)}"
    bar = "" if span.stage in ("session", "turn") else _bar(span, scale)
    told = describe_turn(span) if span.stage == "turn" else bar
    failed = f"  failed: {span.error}" if span.error else ""
    line = f"{name:{NAME}.{NAME}} {span.start_s:7.2f} s {_ms(span.duration_s):>9}  {told}{failed}"
    yield line.rstrip()
    inside = span if span.stage == "turn" else scale
    for child in span.children:
        is_last = child is span.children[-1]
        branch, rest = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _lines(child, below + branch, below + rest, inside)


def span_name(span: CallSpan) -> str:
    """Return what a reader calls a span."""
    match span.stage:
        case "session":
            return "session"
        case "turn":
            return span.label
        case "tools":
            return f"tool {span.label}"
        case _:
            return span.stage


def describe_turn(turn: CallSpan) -> str:
    """Say what became of a turn, and what the wait for its answer was made of."""
    values = turn.attributes
    told = str(values[names.TURN_OUTCOME]).replace("_", " ")
    if ttfb_s := values.get(names.TTFB_S):
        prefix = f"{names.WAIT_S}."
        parts = {
            name.removeprefix(prefix): float(part_s)
            for name, part_s in values.items()
            if name.startswith(prefix)
        }
        told += f" after {_ms(float(ttfb_s))}: " + ", ".join(
            f"{PARTS.get(name, name)} {_ms(part_s)}" for name, part_s in parts.items()
        )
    if early_s := values.get(names.CUT_IN_S):
        told += f", {_ms(float(early_s))} too early"
    if values.get(names.END_REASON) == "interrupted":
        told += "; interrupted"
    return told


def _bar(span: CallSpan, scale: CallSpan) -> str:
    length_s = scale.duration_s or 1.0

    def column(at_s: float) -> int:
        return min(BAR - 1, int(BAR * (at_s - scale.start_s) / length_s))

    start, end = column(span.start_s), column(span.end_s)
    cells = [" "] * start + ["━"] * (end - start + 1)
    if span.first_s is not None:
        cells[column(span.first_s)] = "│"
    return "".join(cells)


def _ms(duration_s: float) -> str:
    return f"{1000 * duration_s:.0f} ms"
