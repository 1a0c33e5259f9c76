"""Rejected by test_speech_while_thinking_joins_the_turn: nobody listens."""


def while_thinking(manager, frame, is_speech):
    # BEGIN SOLUTION ex09.4: keep the frame; if it is speech, cancel the reply and listen on
    return []
    # END SOLUTION ex09.4
