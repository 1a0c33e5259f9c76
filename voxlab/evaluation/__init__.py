"""Recorded calls, judged: times, answers and words. Nothing here runs an agent."""
