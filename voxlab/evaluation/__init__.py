"""Recorded calls, judged: times, answers and words. Nothing here runs an agent."""

from voxlab.data.expectations import Kind
from voxlab.evaluation.answer_quality import judge
from voxlab.evaluation.kept_text import kept_replies
from voxlab.evaluation.line_reactions import find_reactions, reaction_table
from voxlab.evaluation.panel import Panel, pass_rate, summarise
from voxlab.evaluation.recording_judge import ExpectedLine, judge_recording
from voxlab.evaluation.stack_figures import measure_stack, stack_table
from voxlab.evaluation.stack_trial import (
    StackChange,
    decide,
    decision_table,
    draw_trial,
    judge_trial,
    net_saving,
)
from voxlab.evaluation.stage_times import stage_table
from voxlab.evaluation.turn_times import interruptions, transcript

__all__ = [
    "ExpectedLine",
    "Kind",
    "Panel",
    "StackChange",
    "decide",
    "decision_table",
    "draw_trial",
    "find_reactions",
    "interruptions",
    "judge",
    "judge_recording",
    "judge_trial",
    "kept_replies",
    "measure_stack",
    "net_saving",
    "pass_rate",
    "reaction_table",
    "stack_table",
    "stage_table",
    "summarise",
    "transcript",
]
