"""Rejected by test_the_gate_is_silent_where_the_data_are: what got better is told as worse."""
# ruff: noqa: F821


def regressions(baseline, candidate):
    # BEGIN SOLUTION ex13.8: the interval does not hold 0, on whichever side it lies
    worse = []
    for name in ("wait_s", "cut_ins", "dead_air", "failed"):
        pairs = [(one[name], two[name]) for one, two in zip(baseline, candidate, strict=True)]
        differences = np.array([two - one for one, two in pairs if None not in (one, two)])
        if len(differences) < 6:
            continue
        rng = np.random.default_rng(0)
        picks = rng.integers(len(differences), size=(4000, len(differences)))
        low, high = np.percentile(differences[picks].mean(axis=1), [2.5, 97.5])
        if low > 0 or high < 0:
            worse.append(name)
    return worse
    # END SOLUTION ex13.8
