"""Usage and rate limits: what a response would be billed for; told, never enforced."""

import math
from collections.abc import Sequence
from typing import Any

from voxlab.serving.realtime.conversation import Item
from voxlab.serving.realtime.response import Response
from voxlab.serving.realtime.response_generation import CHARACTERS_PER_TOKEN, Said

HEARD_TOKENS_PER_S = 10  # a token for 100 ms of the user's audio and for 50 ms of the assistant's:
SPOKEN_TOKENS_PER_S = 20  # OpenAI's guide to the costs of the Realtime API
LIMITS_A_MINUTE = {"requests": 1_000, "tokens": 100_000}


def count_tokens(response: Response) -> dict[str, Any]:
    """Return the protocol's usage of a response, by rules of thumb."""
    tools = str(response.config["tools"]) if response.config["tools"] else ""
    read = len(response.config["instructions"]) + len(tools) + _characters(response.context)
    heard_s = sum(s.duration_s for item in response.context for s in item.sounds.values())
    input_text, input_audio = _tokens(read), math.ceil(heard_s * HEARD_TOKENS_PER_S)
    output_text, output_audio = _output_tokens(response)
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


def _output_tokens(response: Response) -> tuple[int, int]:
    """Return how many tokens of text and of audio a response has so far."""
    audio = math.ceil(response.spoken_s * SPOKEN_TOKENS_PER_S - 1e-6)
    return _tokens(_characters(response.items)), audio


def cut_to_limit(response: Response, said: Said) -> Said:
    """Return as much of the next words and sound as max_output_tokens has room for."""
    limit = response.config["max_output_tokens"]
    if limit == "inf":
        return said
    text, audio = _output_tokens(response)
    room = (limit - audio) * CHARACTERS_PER_TOKEN - _characters(response.items)
    words = said.text[: max(0, room)]
    text = _tokens(_characters(response.items) + len(words))
    seconds = (limit - text) / SPOKEN_TOKENS_PER_S - response.spoken_s
    sound = said.sound[: max(0, response.wire.size(seconds))]
    return Said(said.response_id, words, sound)


def _characters(items: Sequence[Item]) -> int:
    """Return how many characters are text: written, said, called or returned."""
    count = 0
    for item in items:
        for part in item.data.get("content", []):
            count += len(part.get("text") or part.get("transcript") or "")
        count += len(item.data.get("arguments", "")) + len(item.data.get("output", ""))
    return count


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


class RateLimits:
    """What is left of a minute's requests and tokens."""

    def __init__(self) -> None:
        self._used = dict.fromkeys(LIMITS_A_MINUTE, 0.0)
        self._at_s = 0.0

    def spend(self, tokens: int, now_s: float) -> list[dict[str, Any]]:
        """Count one response; return the protocol's rate_limits."""
        passed_s, self._at_s = now_s - self._at_s, now_s
        spent = {"requests": 1, "tokens": tokens}
        limits = []
        for name, limit in LIMITS_A_MINUTE.items():
            used = max(0.0, self._used[name] - limit * passed_s / 60) + spent[name]
            used = self._used[name] = min(float(limit), used)
            left, reset_s = limit - math.ceil(used), round(60 * used / limit, 3)
            limits.append(
                {"name": name, "limit": limit, "remaining": left, "reset_seconds": reset_s}
            )
        return limits
