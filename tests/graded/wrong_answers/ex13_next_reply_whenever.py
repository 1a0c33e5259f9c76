"""Rejected by test_each_turn_of_the_table_has_its_reply: the next turn's reply answers this one."""


def judge_turns(user, agent):
    # BEGIN SOLUTION ex13.1: the first stretch after the start, however late
    turns = []
    for start_s, end_s in user:
        replies_s = [at_s for at_s, _ in agent if at_s > start_s]
        cut_in = bool(replies_s) and replies_s[0] < end_s
        ttfb_s = replies_s[0] - end_s if replies_s and not cut_in else None
        turns.append({"ttfb_s": ttfb_s, "cut_in": cut_in, "missed": not replies_s})
    return turns
    # END SOLUTION ex13.1
