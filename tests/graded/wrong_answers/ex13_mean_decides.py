"""Rejected by test_the_gate_is_silent_where_the_data_are: a mean above 0 is a regression."""
# ruff: noqa: F821


def regressions(baseline, candidate):
    # BEGIN SOLUTION ex13.8: compare the means
    worse = []
    for name in ("wait_s", "cut_ins", "dead_air", "failed"):
        pairs = [(one[name], two[name]) for one, two in zip(baseline, candidate, strict=True)]
        differences = [two - one for one, two in pairs if None not in (one, two)]
        if len(differences) >= 6 and np.mean(differences) > 0:
            worse.append(name)
    return worse
    # END SOLUTION ex13.8
