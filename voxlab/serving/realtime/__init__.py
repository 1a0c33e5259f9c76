"""A local server that speaks OpenAI's Realtime protocol, backed by voxlab's own engines.

From the wire inwards:

| module | is |
|---|---|
| `transport/server`, `tls`, `authentication` | WebSocket, TLS, keys; `serving/http` is beside it |
| `transport/in_memory` | no socket at all: the openai client's connection to a session in memory |
| `transport/session_loop`, `send_queue` | one connection: in and out of its session, bounded |
| `protocol/client_events`, `client_models` | what a client may say, or else which error |
| `protocol/session_config`, `beta_dialect`, `audio_formats` | settings; the beta's words; sound |
| `session` | what a session does about each thing that happens |
| `input_audio`, `turn_detection`, `transcription` | the user: sound, who speaks when, words |
| `responses`, `response`, `response_generation`, `usage` | the assistant: events, work, price |
| `conversation` | the items that both have made |
| `engines` | who hears, thinks and speaks |

Source: the types and docstrings of the openai package, 3.54 (openai/types/realtime/), and public
recordings of sessions; what we know only from those says so.
"""

from voxlab.serving.realtime.engines import offline_engines
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.server import ServerOptions, serving

__all__ = ["ServerOptions", "SessionOptions", "offline_engines", "serving"]
