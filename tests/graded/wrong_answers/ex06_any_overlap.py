"""Rejected by test_a_turn_is_cut_into_where_the_agent_begins_within_it: a barge-in counts, too."""


def cut_into(caller, agent):
    # BEGIN SOLUTION ex06.4: an agent's start strictly within a turn
    return [
        index
        for index, (start_s, end_s) in enumerate(caller)
        if any(began_s < end_s and start_s < ended_s for began_s, ended_s in agent)
    ]
    # END SOLUTION ex06.4
