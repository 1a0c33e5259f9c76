"""Rejected by test_speech_while_thinking_joins_the_turn: silent frames are dropped."""


def while_thinking(manager, frame, is_speech):
    # BEGIN SOLUTION ex09.4: keep the frame; if it is speech, cancel the reply and listen on
    if not is_speech:
        return []
    manager.turn.append(frame)
    manager.state = "listening"
    return [("cancel_reply",)]
    # END SOLUTION ex09.4
