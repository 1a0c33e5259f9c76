"""Rejected by test_each_turn_is_counted_once_and_only_answers_are_averaged: a cut-in is a wait."""


def session_attributes(turns):
    # BEGIN SOLUTION ex12.1: a negative wait is averaged in
    went_on = [turn for turn in turns if turn[2]]
    replied = [turn for turn in turns if not turn[2] and turn[1] is not None]
    early = [turn for turn in replied if turn[1] < turn[0]]
    attributes = {
        "voice.turns": len(turns),
        "voice.turns.answered": len(replied) - len(early),
        "voice.turns.cut_in": len(early),
        "voice.turns.resumed": len(went_on),
        "voice.turns.unanswered": len(turns) - len(went_on) - len(replied),
    }
    if replied:
        waits_ms = [1000 * (reply_s - end_s) for end_s, reply_s, _ in replied]
        attributes["voice.avg_turn_latency_ms"] = sum(waits_ms) / len(waits_ms)
    return attributes
    # END SOLUTION ex12.1
