"""Where the time goes: budgets, providers' measured latencies, turns drawn and simulated."""
