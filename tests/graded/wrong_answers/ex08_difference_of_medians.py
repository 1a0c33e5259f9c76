"""Rejected by test_the_median_is_that_of_the_differences_of_whole_pairs: medians apart."""
# ruff: noqa: F821


def paired_interval(first_s, second_s, seed=0, resamples=4000):
    # BEGIN SOLUTION ex08.4: the difference of the medians
    pairs = [pair for pair in zip(first_s, second_s, strict=True) if None not in pair]
    first_s, second_s = np.array(pairs).T
    picks = np.random.default_rng(seed).integers(len(pairs), size=(resamples, len(pairs)))
    medians = np.median((second_s - first_s)[picks], axis=1)
    middle = np.median(second_s) - np.median(first_s)
    return middle, *np.percentile(medians, [2.5, 97.5])
    # END SOLUTION ex08.4
