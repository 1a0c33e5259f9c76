"""Rejected by test_a_turn_is_one_stretch_with_its_pauses: "more than" for "at least"."""


def while_listening(manager, frame, is_speech):
    # BEGIN SOLUTION ex09.1: begin a turn with the pre-roll, keep every frame of it, end it in time
    if is_speech and not manager.turn:
        manager.turn = list(manager.recent)
    if is_speech or manager.turn:
        manager.turn.append(frame)
    if manager.turn and manager.silent > manager.silence:
        return manager.commit()
    return []
    # END SOLUTION ex09.1
