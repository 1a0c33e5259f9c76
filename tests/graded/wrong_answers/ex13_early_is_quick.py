"""Rejected by test_a_cut_in_has_no_ttfb_and_is_not_missed: an early start improves the mean."""


def judge_turns(user, agent):
    # BEGIN SOLUTION ex13.1: a negative wait is a wait
    turns = []
    nexts_s = [start_s for start_s, _ in user[1:]] + [float("inf")]
    for (start_s, end_s), next_s in zip(user, nexts_s, strict=False):
        replies_s = [at_s for at_s, _ in agent if start_s < at_s < next_s]
        ttfb_s = replies_s[0] - end_s if replies_s else None
        cut_in = ttfb_s is not None and ttfb_s < 0
        turns.append({"ttfb_s": ttfb_s, "cut_in": cut_in, "missed": not replies_s})
    return turns
    # END SOLUTION ex13.1
