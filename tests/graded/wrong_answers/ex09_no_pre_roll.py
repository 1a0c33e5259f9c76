"""Rejected by test_an_interruption_keeps_its_first_sound: there is no pre-roll."""


def interrupted(manager, frame):
    # BEGIN SOLUTION ex09.2: stop, listen, and begin the turn with all that belongs to it
    manager.state = "listening"
    manager.turn = [frame]
    return [("stop_speaking",)]
    # END SOLUTION ex09.2
