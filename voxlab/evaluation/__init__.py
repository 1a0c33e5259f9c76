"""Recorded calls, judged: times, answers and words. Nothing here runs an agent."""

from voxlab.evaluation.answer_quality import judge
from voxlab.evaluation.stage_times import stage_table
from voxlab.evaluation.turn_times import interruptions, transcript

__all__ = ["interruptions", "judge", "stage_table", "transcript"]
