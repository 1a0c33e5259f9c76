"""What the language model is told of the call: only what was asked, found out, and heard."""

from voxlab.agents.pipeline.reply import PlayedReply
from voxlab.providers.protocols import Message


class History:
    """The messages of a call, and how much of the user's turn they have already.

    A turn may be in it in part: when its reply was cut off before anybody heard it, but after
    tools had worked for it, what they did is kept, and not done again.
    """

    def __init__(self, instructions: str) -> None:
        self._messages: list[Message] = [Message("system", instructions)]
        self._committed = ""  # all that the user said in this turn
        self._has = ""  # the part of it that is in the messages

    def commit(self, text: str) -> None:
        """Note what the user's turn was."""
        self._committed = text

    def request(
        self, text: str, cut_off: PlayedReply | None, heard: str
    ) -> tuple[tuple[Message, ...], Message | None]:
        """Return what the model is asked about a turn, and the user's own message in it.

        What the messages have of the turn is not said again. cut_off: a reply that is interrupted:
        the request is as if it had been cut off there. heard: what was heard of it.
        """
        added, has = self._outcome(cut_off, heard) if cut_off else ([], self._has)
        fresh = text.removeprefix(has).strip()
        asked = Message("user", fresh) if fresh else None
        return (*self._messages, *added, *([asked] if asked else [])), asked

    def finish(self, reply: PlayedReply, heard: str) -> bool:
        """Remember a reply that is over; tell whether anything of it was said."""
        self._messages += reply.remembered(heard)
        self._has = ""
        return bool(heard)

    def cut_off(self, reply: PlayedReply, heard: str) -> bool:
        """Remember what a reply that is cut off has done; tell whether anything of it was said.

        If nobody has heard it, it is asked again, together with what follows.
        """
        added, self._has = self._outcome(reply, heard)
        self._messages += added
        return bool(added and heard)

    def _outcome(self, reply: PlayedReply, heard: str) -> tuple[list[Message], str]:
        if reply.audible:
            return reply.remembered(heard), ""
        return (reply.remembered(heard), self._committed) if reply.notes else ([], self._has)
