"""Rejected by test_what_both_have_in_common_cancels_out: each agent is resampled by itself."""
# ruff: noqa: F821


def paired_interval(first_s, second_s, seed=0, resamples=4000):
    # BEGIN SOLUTION ex08.4: two resamples, and the difference of their medians
    pairs = [pair for pair in zip(first_s, second_s, strict=True) if None not in pair]
    first_s, second_s = np.array(pairs).T
    rng = np.random.default_rng(seed)
    size = (resamples, len(pairs))
    one, two = (
        np.median(times[rng.integers(len(pairs), size=size)], axis=1)
        for times in (first_s, second_s)
    )
    return np.median(second_s - first_s), *np.percentile(two - one, [2.5, 97.5])
    # END SOLUTION ex08.4
