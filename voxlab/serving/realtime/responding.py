"""The speaking half of a session: which responses are being made, and how each of them ends."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voxlab.serving.realtime.conversation import Conversation, Item, Sound
from voxlab.serving.realtime.protocol.audio_formats import wire_format
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.protocol.session_config import response_config
from voxlab.serving.realtime.response import Response
from voxlab.serving.realtime.response_generation import CHARACTERS_PER_TOKEN, Job, Made, Maker, Said
from voxlab.serving.realtime.transport.send_queue import Outbox

AT_ONCE = 8  # responses of one session side by side
HEARD_TOKENS_PER_S = 10  # a token for 100 ms of the user's audio and for 50 ms of the assistant's:
SPOKEN_TOKENS_PER_S = 20  # OpenAI's guide to the costs of the Realtime API
REQUESTS_PER_MINUTE = 1_000
TOKENS_PER_MINUTE = 100_000


class Responding:
    """Starts, follows, cancels and ends the responses of one session."""

    def __init__(
        self,
        maker: Maker,
        conversation: Conversation,
        outbox: Outbox,
        emit: Callable[..., None],
        new_id: Callable[[str], str],
    ) -> None:
        self._maker = maker
        self._conversation = conversation
        self._outbox = outbox
        self._emit = emit
        self._new_id = new_id
        self._limits = RateLimits()
        self._active: dict[str, Response] = {}
        self._contexts: dict[str, Sequence[Item]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.default: Response | None = None  # the one that writes to the conversation
        self.has_spoken = False

    def create(
        self,
        session: dict[str, Any],
        request: dict[str, Any],
        context: Sequence[Item],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """Start a response. context: what the model reads. Raises Refused if one is active."""
        config = response_config(session, request)
        is_default = config["conversation"] == "auto"
        if is_default and self.default is not None:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.default.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if len(self._active) >= AT_ONCE:
            said = f"{AT_ONCE} responses are in progress: wait until one is finished."
            raise Refused("rate_limit_exceeded", said)
        wire = wire_format(config["format"]["type"])
        conversation = self._conversation if is_default else None
        response = Response(config, wire, conversation, self._emit, self._new_id)
        self.default = response if is_default else self.default
        self._active[response.id] = response
        self._contexts[response.id] = context
        self._emit("response.created", response=response.resource())
        job = Job(response.id, config, context, wire)
        self._tasks[response.id] = spawn(self._maker.make(job))

    def on_piece(self, piece: Said | Made) -> Response | None:
        """Take what a maker reports; return the response if it is over now."""
        response = self._active.get(piece.response_id)
        if response is None:  # it was cancelled, and its maker did not know yet
            return None
        if isinstance(piece, Said):
            response.say(piece.text, piece.sound)
            self.has_spoken |= bool(piece.sound)
            return None
        for call in piece.calls:
            response.call(call)
        return self._end(response, piece.status, _details(piece))

    def cancel(self, response_id: str | None, reason: str) -> Response:
        """Stop a response, the default one if none is named. Raises Refused if none is active."""
        response = self._active.get(response_id) if response_id else self.default
        if response is None:
            raise Refused(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        self._tasks[response.id].cancel()
        if response.open_id is not None:
            response.take_back(self._outbox.take_back(response.open_id))
        return self._end(response, "cancelled", {"type": "cancelled", "reason": reason})

    def _end(self, response: Response, status: str, details: dict[str, Any] | None) -> Response:
        response.finish(status, details)
        del self._active[response.id], self._tasks[response.id]
        self.default = None if self.default is response else self.default
        tokens = usage(response, self._contexts.pop(response.id))
        self._emit("response.done", response=response.resource(tokens))
        now_s = asyncio.get_running_loop().time()
        limits = self._limits.spend(tokens["total_tokens"], now_s)
        self._emit("rate_limits.updated", rate_limits=limits)
        return response


def _details(made: Made) -> dict[str, Any] | None:
    if made.status == "failed":
        error = {"type": "server_error", "code": "engine_failed", "message": made.problem}
        return {"type": "failed", "error": error}
    if made.status == "incomplete":
        return {"type": "incomplete", "reason": "max_output_tokens"}
    return None


def usage(response: Response, context: Sequence[Item]) -> dict[str, Any]:
    """Return what the response would be billed for, by rules of thumb."""
    tools = str(response.config["tools"]) if response.config["tools"] else ""
    read = sum(map(_written, context), len(response.config["instructions"]) + len(tools))
    heard_s = sum(_sound_s(item.sounds.values()) for item in context)
    input_text, input_audio = _tokens(read), math.ceil(heard_s * HEARD_TOKENS_PER_S)
    output_text = _tokens(sum(map(_written, response.items)))
    output_audio = math.ceil(response.spoken_s * SPOKEN_TOKENS_PER_S - 1e-6)
    cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": input_text + input_audio + output_text + output_audio,
        "input_tokens": input_text + input_audio,
        "output_tokens": output_text + output_audio,
        "input_token_details": {
            "text_tokens": input_text,
            "audio_tokens": input_audio,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": cached,
        },
        "output_token_details": {"text_tokens": output_text, "audio_tokens": output_audio},
    }


def _written(item: Item) -> int:
    """Return how many characters of an item are text: written, said, called or returned."""
    parts = item.data.get("content", [])
    said = sum(len(part.get("text") or part.get("transcript") or "") for part in parts)
    return said + len(item.data.get("arguments", "")) + len(item.data.get("output", ""))


def _sound_s(sounds: "Sequence[Sound] | Any") -> float:
    return sum(sound.duration_s for sound in sounds)


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


class RateLimits:
    """What is left of a minute's requests and tokens: told, never enforced."""

    def __init__(self) -> None:
        self._limits = {"requests": REQUESTS_PER_MINUTE, "tokens": TOKENS_PER_MINUTE}
        self._used = dict.fromkeys(self._limits, 0.0)
        self._at_s = 0.0

    def spend(self, tokens: int, now_s: float) -> list[dict[str, Any]]:
        """Count one response; return the protocol's rate_limits."""
        passed_s, self._at_s = now_s - self._at_s, now_s
        told = []
        for name, limit in self._limits.items():
            used = max(0.0, self._used[name] - limit * passed_s / 60)
            used = min(float(limit), used + (1 if name == "requests" else tokens))
            self._used[name] = used
            left, reset_s = limit - math.ceil(used), round(60 * used / limit, 3)
            told.append({"name": name, "limit": limit, "remaining": left, "reset_seconds": reset_s})
        return told
