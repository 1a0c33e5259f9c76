"""Rejected by test_both_waits_count_from_the_user_s_last_sound: the silence counts too."""


def waits(turn):
    # BEGIN SOLUTION ex08.3: from the moment at which the agent begins to work
    if turn["audible"] is None:
        return None, None
    return turn["audible"] - turn["decided"], turn["end"] - turn["decided"]
    # END SOLUTION ex08.3
