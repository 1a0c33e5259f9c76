"""Rejected by test_the_measures_of_the_table_s_call: a turn that nobody answers is not dead air."""
# ruff: noqa: F821


def measure(call):
    # BEGIN SOLUTION ex13.7: only long waits
    turns = judge_turns(call["user"], call["agent"])
    waits_s = [turn["ttfb_s"] for turn in turns if turn["ttfb_s"] is not None]
    return {
        "wait_s": np.mean(waits_s) if waits_s else None,
        "cut_ins": sum(turn["cut_in"] for turn in turns),
        "dead_air": sum(wait_s > 2.0 for wait_s in waits_s),
        "failed": 0 if task_done(call["before"], call["wanted"], call["after"]) else 1,
    }
    # END SOLUTION ex13.7
