"""Agents that hold a call, their tools, and the caller who tests them."""
