"""Who calls: a script, a simulated caller, a microphone, a browser."""
