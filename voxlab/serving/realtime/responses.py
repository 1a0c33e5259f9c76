"""The responses of a session that are in progress: at most one of them in its conversation."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voxlab.serving.realtime.conversation import Conversation, Item
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.protocol.session_config import voice_name
from voxlab.serving.realtime.response import Response
from voxlab.serving.realtime.response_generation import Job, Made, ResponseGenerator, Said
from voxlab.serving.realtime.transport.send_queue import SendQueue
from voxlab.serving.realtime.usage import RateLimits, count_tokens, cut_to_limit

AT_ONCE = 8


class Responses:
    """Starts, follows, cancels and ends responses; the queue takes their events.

    generator: does the work, in a task that spawn starts, and reports pieces for `take`.
    """

    def __init__(
        self,
        queue: SendQueue,
        generator: ResponseGenerator,
        spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self._queue = queue
        self._generator = generator
        self._spawn = spawn
        self._active: dict[str, Response] = {}
        self._limits = RateLimits()
        self.spoken_voice: str | None = None  # that the client has heard

    @property
    def default(self) -> Response | None:
        """The one that writes to the conversation."""
        own = (each for each in self._active.values() if each.conversation is not None)
        return next(own, None)

    def start(
        self,
        config: dict[str, Any],
        context: Sequence[Item],
        conversation: Conversation | None,
        *,
        says: str = "",
    ) -> None:
        """Start a response. context: what the model reads; conversation: None for out-of-band.

        config: of `session_config.response_config`. says: the words, if no model is to find them.
        Raises Refused if too many are in progress.
        """
        if conversation is not None and self.default is not None:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.default.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if len(self._active) >= AT_ONCE:
            said = f"{AT_ONCE} responses are in progress: wait until one is finished."
            raise Refused("rate_limit_exceeded", said)
        response = Response(config, context, conversation, self._queue)
        self._active[response.id] = response
        self._queue.emit("response.created", response=response.resource())
        job = Job(response.id, config, context, response.wire, says)
        response.task = self._spawn(self._generator.generate(job))

    def take(self, piece: Said | Made) -> Response | None:
        """Take what the generator reports; return the response if it is over now."""
        response = self._active.get(piece.response_id)
        if response is None:  # it was cancelled, and its generator did not know yet
            return None
        if isinstance(piece, Said):
            said = cut_to_limit(response, piece)
            response.say(said.text, said.sound)
            if said.sound:
                self.spoken_voice = voice_name(response.config)
            if said == piece:
                return None
            response.task.cancel()
            response.finish("incomplete", "max_output_tokens")
            self._end(response)
            return response
        for call in piece.calls:
            response.call(call)
        response.finish(piece.status, piece.why)
        self._end(response)
        return response

    def cancel(self, response_id: str | None, reason: str) -> None:
        """Stop a response, the default one if none is named. Raises Refused if none is active."""
        response = self._active.get(response_id) if response_id else self.default
        if response is None:
            raise Refused(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        response.cancel(reason)
        self._end(response)

    def _end(self, response: Response) -> None:
        del self._active[response.id]
        usage = count_tokens(response)
        self._queue.emit("response.done", response=response.resource(usage))
        now_s = asyncio.get_running_loop().time()
        limits = self._limits.spend(usage["total_tokens"], now_s)
        self._queue.emit("rate_limits.updated", rate_limits=limits)
