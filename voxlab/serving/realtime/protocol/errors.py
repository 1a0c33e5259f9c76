"""What a session answers when it cannot do what a client asks for."""

import logging
import traceback
from typing import Any

from voxlab.errors import VoxlabError

log = logging.getLogger(__name__)


class Refused(VoxlabError):
    """What a client asked for cannot be done; the session goes on.

    code, param, kind: the fields of the protocol's error, kind for its `type`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.kind = kind

    def to_wire(self, event_id: str | None = None) -> dict[str, Any]:
        """Return the error as an event holds it. event_id: of the client's event that caused it."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": str(self),
            "param": self.param,
            "event_id": event_id,
        }


def fault(error: Exception) -> Refused:
    """Return what a client is told of a fault of ours.

    The log gets its kind and its place alone, since its message may quote the client.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("a fault: %s at %s:%d", type(error).__name__, place.filename, place.lineno)
    said = f"The server had an error while processing your request: {error}"
    return Refused("server_error", said, kind="server_error")
