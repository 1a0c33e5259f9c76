"""A local server that speaks OpenAI's Realtime protocol, backed by voxlab's own engines.

From the wire inwards:

| module | is |
|---|---|
| `server`, `http`, `certificate` | sockets: WebSocket, HTTP beside it, TLS |
| `link` | no socket at all: the openai client's connection to a session in memory |
| `admission` | who may open a session: keys, models, client secrets |
| `session` | one session: the task that owns all state, with a reader and a writer beside it |
| `listening`, `responding` | its two halves: audio in and turns out; responses |
| `outbox`, `beta` | what waits to be sent; the same in the beta's words |
| `schema`, `requests` | what a client may say, and the error if it says another |
| `config`, `conversation`, `response` | the state: the session object, the items, a response |
| `buffer`, `turn_detection`, `formats` | the sound that comes in, its offsets, who speaks when |
| `hearing`, `maker`, `engines` | the work: recogniser; language model and voice; which engines |

Source: the types and docstrings of the openai package, 3.54 (openai/types/realtime/), and public
recordings of sessions; what we know only from those says so.
"""

from voxlab.serving.realtime.engines import offline_engines
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.server import ServerOptions, serving

__all__ = ["ServerOptions", "SessionOptions", "offline_engines", "serving"]
