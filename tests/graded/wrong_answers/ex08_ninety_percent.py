"""Rejected by test_the_interval_holds_95_percent_of_the_resampled_medians: 5% go on each side."""
# ruff: noqa: F821


def paired_interval(first_s, second_s, seed=0, resamples=4000):
    # BEGIN SOLUTION ex08.4: from the 5th percentile to the 95th
    pairs = zip(first_s, second_s, strict=True)
    differences = np.array([two - one for one, two in pairs if None not in (one, two)])
    size = (resamples, len(differences))
    picks = np.random.default_rng(seed).integers(len(differences), size=size)
    low, high = np.percentile(np.median(differences[picks], axis=1), [5, 95])
    return np.median(differences), low, high
    # END SOLUTION ex08.4
