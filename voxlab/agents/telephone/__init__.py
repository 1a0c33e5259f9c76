"""Calls over a telephone line: the agent's end of it, and the simulated telephone at the other."""
