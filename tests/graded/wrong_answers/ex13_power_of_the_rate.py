"""Rejected by test_pass_k_is_the_share_of_sets_of_k_trials_without_a_failure: with putting back."""


def pass_k(successes, trials, k):
    # BEGIN SOLUTION ex13.6: the success rate to the power of k
    return sum((count / trials) ** k for count in successes) / len(successes)
    # END SOLUTION ex13.6
