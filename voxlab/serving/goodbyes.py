"""What is said to callers whose server stops, whichever protocol brought them."""

GOODBYE = "I am sorry, I have to end this call now. Please call again. Goodbye."
RINGS_OUT_S = 0.5  # the last word has so long to reach the caller's ear


class Leave:
    """The session must end: it says goodbye."""


class Left:
    """The goodbye has been heard."""


class SessionOver(Exception):
    """The session has said goodbye."""
