"""Authentication: who may open a session, and with which model. Keys, client secrets, the beta.

Pure but for the secrets that were issued. Source: the API's guide to WebSocket connections;
openai/types/realtime/client_secret_create_params.py; the close codes are known from recordings.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from voxlab.agents.realtime.settings import DEFAULT_MODEL
from voxlab.serving.http import is_same
from voxlab.serving.realtime.protocol import beta_dialect
from voxlab.serving.realtime.protocol.client_events import check_secret_request
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.protocol.session_config import new_session, updated

PATH = "/v1/realtime"
SECRETS_PATH = PATH + "/client_secrets"
KEY_PROTOCOL = "openai-insecure-api-key."
UNAUTHORISED, BAD_REQUEST = 3000, 4000  # close codes
DEFAULT_TTL_S = 600
MOST_SECRETS = 1000  # the oldest is forgotten for the next


class NotAdmitted(Refused):
    """No session is opened: the client gets the error, then the connection is closed.

    close_code: the WebSocket's.
    """

    def __init__(self, close_code: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client gets: the model, the dialect, and what its client secret has settled."""

    model: str
    is_beta: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Secret:
    expires_at: float
    settings: Mapping[str, Any]


@dataclass
class Authenticator:
    """Admits clients. key: the only one that is right; None for any that is not blank."""

    key: str | None = None
    allows_beta: bool = False
    _secrets: dict[str, _Secret] = field(default_factory=dict)

    def admit(
        self, target: str, headers: Mapping[str, str], protocols: Sequence[str], now: float
    ) -> Admission:
        """Judge an opening request. target: path and query; now: seconds since 1970.

        Raises NotAdmitted.
        """
        settings = self._settings(_key(headers, protocols), now)
        is_beta = headers.get("OpenAI-Beta") == beta_dialect.HEADER
        is_beta = is_beta or beta_dialect.SUBPROTOCOL in protocols
        if is_beta and not self.allows_beta:
            raise NotAdmitted(
                BAD_REQUEST,
                "beta_api_shape_disabled",
                "The Realtime Beta API is no longer supported. Please use the GA API: leave out "
                "the beta header, or start the server with --beta.",
            )
        query = parse_qs(urlsplit(target).query)
        model = (query.get("model") or [settings.get("model") or ""])[0]
        if not model:
            raise NotAdmitted(BAD_REQUEST, "missing_model", "You must provide a model parameter.")
        if "realtime" not in model and "audio" not in model:
            said = f"Model '{model[:100]}' is not supported in realtime mode."
            raise NotAdmitted(BAD_REQUEST, "invalid_model", said)
        return Admission(model, is_beta, settings)

    def _settings(self, key: str, now: float) -> Mapping[str, Any]:
        """Return what the key's session is to be. Raises NotAdmitted if the key opens nothing."""
        secret = self._secrets.get(key)
        if secret is not None and secret.expires_at > now:
            return secret.settings
        if secret is None and not key.startswith("ek_") and self._is_right(key):
            return {}
        start = key[:4].encode("ascii", "replace").decode()
        shown = f"{start}***" if key else "(none)"
        said = f"Incorrect API key provided: {shown}."
        raise NotAdmitted(UNAUTHORISED, "invalid_api_key", said)

    def _is_right(self, key: str) -> bool:
        if self.key is None:
            return bool(key.strip())
        return is_same(key, self.key)

    def issue(
        self, headers: Mapping[str, str], body: Mapping[str, Any], now: float
    ) -> dict[str, Any]:
        """Return a client secret, as POST /v1/realtime/client_secrets answers.

        Raises NotAdmitted if the key is wrong, Refused if the body is.
        """
        self._settings(_key(headers, ()), now)
        check_secret_request(body)
        settings = body.get("session") or {}
        ttl_s = (body.get("expires_after") or {}).get("seconds") or DEFAULT_TTL_S
        model = settings.get("model") or DEFAULT_MODEL
        session = updated(new_session(f"sess_{secrets.token_hex(8)}", model, 0), settings)
        self._secrets = {k: s for k, s in self._secrets.items() if s.expires_at > now}
        if len(self._secrets) >= MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]
        value = f"ek_{secrets.token_hex(16)}"
        self._secrets[value] = _Secret(now + ttl_s, {"model": model, **settings})
        return {"value": value, "expires_at": int(now + ttl_s), "session": session}


def _key(headers: Mapping[str, str], protocols: Sequence[str]) -> str:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    named = (p.removeprefix(KEY_PROTOCOL) for p in protocols if p.startswith(KEY_PROTOCOL))
    return next(named, "")
