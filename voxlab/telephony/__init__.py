"""The telephone: G.711."""
