"""Whose turn it is: the turn manager, the end of a turn, and what an interruption means."""
