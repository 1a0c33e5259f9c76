"""Rejected by test_each_turn_is_counted_once_and_only_answers_are_averaged: no wait is 0 ms."""


def session_attributes(turns):
    # BEGIN SOLUTION ex12.1: the average of nothing is 0
    went_on = [turn for turn in turns if turn[2]]
    replied = [turn for turn in turns if not turn[2] and turn[1] is not None]
    waits_ms = [1000 * (reply_s - end_s) for end_s, reply_s, _ in replied if reply_s >= end_s]
    return {
        "voice.turns": len(turns),
        "voice.turns.answered": len(waits_ms),
        "voice.turns.cut_in": len(replied) - len(waits_ms),
        "voice.turns.resumed": len(went_on),
        "voice.turns.unanswered": len(turns) - len(went_on) - len(replied),
        "voice.avg_turn_latency_ms": sum(waits_ms) / max(1, len(waits_ms)),
    }
    # END SOLUTION ex12.1
