"""Rejected by test_each_turn_is_counted_once_and_only_answers_are_averaged: "uh huh" is a miss."""


def session_attributes(turns):
    # BEGIN SOLUTION ex12.1: a turn without a reply is unanswered, whether or not the agent went on
    waits_ms = [1000 * (turn[1] - turn[0]) for turn in turns if turn[1] is not None]
    answered = [wait_ms for wait_ms in waits_ms if wait_ms >= 0]
    attributes = {
        "voice.turns": len(turns),
        "voice.turns.answered": len(answered),
        "voice.turns.cut_in": len(waits_ms) - len(answered),
        "voice.turns.resumed": 0,
        "voice.turns.unanswered": len(turns) - len(waits_ms),
    }
    if answered:
        attributes["voice.avg_turn_latency_ms"] = sum(answered) / len(answered)
    return attributes
    # END SOLUTION ex12.1
