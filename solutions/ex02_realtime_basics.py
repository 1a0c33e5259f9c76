# %% [markdown]
# # Exercise 2: Realtime API basics (19.7.1)
#
# **"What is the weather in Paris tomorrow?" A microphone, a WebSocket, a tool, a speaker: what does
# a client have to do so that the question is answered aloud?**
#
# *75 minutes, 15 points. We build the smallest agent on the Realtime API that answers spoken
# questions about the weather with a mock tool: eight short functions. At the end a recorded
# question goes in, the answer comes out as sound, and a recogniser tells whether it is right.*
#
# This is section 39.1.2 of the chapter; lesson 02 shows the protocol. Our own server speaks it, on
# this machine: no key, no network. Read, fill in what says "Exercise", and run the `check` below
# it. Four of the fifteen points are for hidden tests: other recordings, cities and moments.

# %%
import base64
import json
from functools import cache

import numpy as np

from voxlab import Audio, audio, check, data

RATE_HZ = 24_000

# %% [markdown]
# ## The mock tool
#
# The weather is the same every day, and easy to recognise in an answer. An unknown city is an
# error, as in a real service.

# %%
FORECASTS = {
    "Paris": ("heavy snow", 2),
    "London": ("bright sunshine", 31),
    "New York": ("thick fog", 9),
}


def get_weather(city, day):
    """Return the forecast of a city for a day. Raises ValueError for a city that has none."""
    if city not in FORECASTS:
        raise ValueError(f"no forecast for {city}")
    forecast, temperature_c = FORECASTS[city]
    return {"city": city, "said_day": day, "forecast": forecast, "temperature_c": temperature_c}


TOOLS = {"get_weather": get_weather}

# %%
get_weather("Paris", "tomorrow")

# %% [markdown]
# ## What the model is told about it
#
# The model never sees our function. It sees a **JSON schema** and writes arguments that fit. In the
# Realtime API a tool is flat: name, description and parameters stand side by side (in Chat
# Completions they are wrapped in `"function": {...}`). Here is one for another tool:
#
# ```
# {"type": "function", "name": "get_time", "description": "Get the time in a city.",
#  "parameters": {"type": "object",
#                 "properties": {"city": {"type": "string", "description": "name of a city"}},
#                 "required": ["city"]}}
# ```


# %%
def weather_tool():
    """Return the schema of get_weather: city and day, both strings, both required.

    >>> weather_tool()["name"], weather_tool()["parameters"]["required"]
    ('get_weather', ['city', 'day'])
    """
    # BEGIN SOLUTION ex02.1: a function tool with a description and an object of two strings
    properties = {
        "city": {"type": "string", "description": "name of a city"},
        "day": {"type": "string", "description": "a weekday, today or tomorrow"},
    }
    return {
        "type": "function",
        "name": "get_weather",
        "description": "Get the weather forecast of a city for a day.",
        "parameters": {"type": "object", "properties": properties, "required": ["city", "day"]},
    }
    # END SOLUTION ex02.1


# %%
check("ex02.1")

# %% [markdown]
# ## The session
#
# After the connection is open, the server says `session.created`, and we say what we want, once:
#
# | setting | where | we want |
# |---|---|---|
# | kind of session | `type` | `"realtime"` |
# | what comes back | `output_modalities` | `["audio"]` |
# | how to behave | `instructions` | as given |
# | tools | `tools` | a list with ours |
# | what we send | `audio.input.format` | `PCM` |
# | our words in writing | `audio.input.transcription` | `{"model": "gpt-4o-transcribe"}` |
# | end of a turn | `audio.input.turn_detection` | `server_vad`, `silence_duration_ms` as given |
# | what we hear | `audio.output.format` | `PCM` |
#
# A dot goes one dict deeper: `audio.input.format` is `settings["audio"]["input"]["format"]`.

# %%
INSTRUCTIONS = "You tell callers the weather. Use the tool. Be brief."
PCM = {"type": "audio/pcm", "rate": RATE_HZ}


# %%
def session_settings(instructions, silence_ms):
    """Return the session object for a session.update.

    >>> session_settings("Be brief.", 700)["audio"]["input"]["turn_detection"]
    {'type': 'server_vad', 'silence_duration_ms': 700}
    """
    # BEGIN SOLUTION ex02.2: the table above as a dict
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": instructions,
        "tools": [weather_tool()],
        "audio": {
            "input": {
                "format": PCM,
                "transcription": {"model": "gpt-4o-transcribe"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": silence_ms},
            },
            "output": {"format": PCM},
        },
    }
    # END SOLUTION ex02.2


# %%
check("ex02.2")

# %% [markdown]
# ## The microphone
#
# Sound goes over the wire as **PCM**: each sample a whole number of 16 bits, low byte first, 24000
# of them a second; and as JSON cannot hold bytes, in base64. By hand, three samples:
#
# | sample | × 32768 | fits into 16 bits | bytes |
# |---|---|---|---|
# | 0.5 | 16384 | 16384 | 00 40 |
# | −1.0 | −32768 | −32768 | 00 80 |
# | 1.0 | 32768 | **32767** | ff 7f |
#
# 32768 does not fit. Without a limit it becomes −32768: full scale turns into its opposite, and the
# loudest moments crackle. So we clip to −32768 ... 32767.
#
# A microphone does not wait for the end of the question. We send pieces of 100 ms, which are 2400
# samples or 4800 bytes; the last piece is what is left.


# %%
def appends(sound):
    """Return the events that send a recording (an Audio of any rate), 100 ms in each.

    sound.resample(RATE_HZ).samples are its samples at 24 kHz, float32.

    >>> [len(base64.b64decode(e["audio"])) for e in appends(audio.silence(0.25, 16_000))]
    [4800, 4800, 2400]
    """
    # BEGIN SOLUTION ex02.3: resample, round to 16 bits, cut into pieces, encode
    samples = np.rint(sound.resample(RATE_HZ).samples * 32768)
    pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    pieces = [pcm[start : start + 4800] for start in range(0, len(pcm), 4800)]
    return [
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()}
        for piece in pieces
    ]
    # END SOLUTION ex02.3


# %%
check("ex02.3")

# %% [markdown]
# ## The tool runs
#
# The model writes the arguments as JSON **text**, and what it gets back is also text. It may call a
# tool that we do not have, leave out an argument, write broken JSON, or ask for a city without a
# forecast. None of this may stop us. The model gets the error as a result, and can talk about it:
#
# | name | arguments | result |
# |---|---|---|
# | get_weather | `{"city": "Paris", "day": "today"}` | `{"city": "Paris", "said_day": ...}` |
# | get_weather | `{"city": "Atlantis", "day": "today"}` | `{"error": "no forecast for Atlantis"}` |
# | get_weather | `{"city": "Paris"}` | `{"error": "... missing ... 'day'"}` |
# | get_weather | `{"city": ` | `{"error": "Expecting value ..."}` |
# | get_time | `{}` | `{"error": "'get_time'"}`, or better words |


# %%
def run_tool(name, arguments):
    """Return the result of a tool of TOOLS as JSON text; what goes wrong is {"error": words}.

    >>> run_tool("get_weather", '{"city": "Atlantis", "day": "today"}')
    '{"error": "no forecast for Atlantis"}'
    """
    # BEGIN SOLUTION ex02.4: read the arguments, call the function, write what comes of it
    try:
        return json.dumps(TOOLS[name](**json.loads(arguments)))
    except (KeyError, TypeError, ValueError) as error:
        return json.dumps({"error": str(error)})
    # END SOLUTION ex02.4


# %%
check("ex02.4")

# %% [markdown]
# ## Its result goes back
#
# When a response is complete, `response.done` lists what the model has made: messages, which it
# speaks, and function calls, which wait for us. A reply to a call has two parts, and the second is
# easily forgotten: the **output**, an item that names the call, and **`response.create`**. Without
# it the model knows the weather and says nothing. By hand:
#
# | output of the response | we send |
# |---|---|
# | message | nothing |
# | message, call `a` | output of `a`, response.create |
# | call `a`, call `b` | output of `a`, output of `b`, response.create |
#
# One `response.create`, after all outputs. A second one finds a response in progress, and is an
# error (`conversation_already_has_active_response`).


# %%
def answers(response):
    """Return the client events that answer the function calls of a finished response.

    >>> call = {"type": "function_call", "name": "get_weather", "call_id": "call_7",
    ...         "arguments": '{"city": "Atlantis", "day": "today"}'}
    >>> output, create = answers({"output": [call]})
    >>> output["type"], create
    ('conversation.item.create', {'type': 'response.create'})
    >>> sorted(output["item"])
    ['call_id', 'output', 'type']
    >>> output["item"]["type"], output["item"]["call_id"]
    ('function_call_output', 'call_7')
    """
    # BEGIN SOLUTION ex02.5: an output for each call, then one response.create if there was a call
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    outputs = []
    for call in calls:
        result = run_tool(call["name"], call["arguments"])
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        outputs.append({"type": "conversation.item.create", "item": item})
    return [*outputs, {"type": "response.create"}] if calls else []
    # END SOLUTION ex02.5


# %%
check("ex02.5")

# %% [markdown]
# ## The speaker
#
# The answer comes in pieces, base64 again, and **faster than it can be played**: four seconds of
# speech may arrive in one. A piece begins when it arrives, or when all before it have sounded,
# whichever is later. We write a piece as `(item_id, start_s, samples)`. By hand:
#
# | arrives at | sound | starts at | ends at |
# |---|---|---|---|
# | 2.0 s | 0.5 s of item `a` | 2.0 | 2.5 |
# | 2.1 s | 0.5 s of item `a` | 2.5 | 3.0 |
# | 2.6 s | 1.0 s of item `b` | 3.0 | 4.0 |
# | 5.0 s | 0.5 s of item `b` | 5.0 | 5.5 |


# %%
def play(pieces, item_id, delta, now_s):
    """Return the pieces and one more: a delta of an item, arrived at now_s.

    Its samples are float32 in [-1, 1].

    >>> delta = base64.b64encode(bytes.fromhex("0040")).decode()
    >>> [(item_id, start_s, samples)] = play([], "a", delta, 2.0)
    >>> item_id, start_s, samples.tolist()
    ('a', 2.0, [0.5])
    """
    # BEGIN SOLUTION ex02.6: decode the sound, and find where the last piece ends
    samples = np.frombuffer(base64.b64decode(delta), "<i2").astype(np.float32) / 32768
    end_s = 0.0
    if pieces:
        _, start_s, last = pieces[-1]
        end_s = start_s + len(last) / RATE_HZ
    return [*pieces, (item_id, max(now_s, end_s), samples)]
    # END SOLUTION ex02.6


# %%
check("ex02.6")

# %% [markdown]
# ## What was heard
#
# The caller speaks over us. The server notices, cancels its response, and tells us
# (`speech_started`). But it has sent more than was heard, and believes that all of it was said.
# Only we know what our speaker has played. So we tell the server, with a
# `conversation.item.truncate` for each item that was **not heard to its end**: its `item_id`,
# `content_index` 0, and `audio_end_ms`, how much of it was heard, in whole milliseconds, rounded
# down.
#
# By hand, `a` from 2.0 to 3.0 s and `b` from 3.0 to 4.0 s and from 4.0 to 5.0 s:
#
# | the caller speaks at | truncate |
# |---|---|
# | 2.5 s | `a` at 500, `b` at 0 |
# | 4.2 s | `b` at 1200 |
# | 5.0 s, or later | nothing |
#
# An item is more than its last piece: at 4.2 s the first second of `b` counts as well.


# %%
def truncations(pieces, now_s):
    """Return the truncate events for an interruption at now_s, in the order of the items.

    >>> second = np.zeros(RATE_HZ, np.float32)
    >>> truncations([("b", 3.0, second), ("b", 4.0, second)], 4.25)[0]["audio_end_ms"]
    1250
    """
    # BEGIN SOLUTION ex02.7: add up what each item has sounded, keep those that were not over
    heard_s, is_cut = {}, {}
    for item_id, start_s, samples in pieces:
        duration_s = len(samples) / RATE_HZ
        sounded_s = min(max(now_s - start_s, 0.0), duration_s)
        heard_s[item_id] = heard_s.get(item_id, 0.0) + sounded_s
        is_cut[item_id] = sounded_s < duration_s
    cut = {"type": "conversation.item.truncate", "content_index": 0}
    return [
        {**cut, "item_id": item_id, "audio_end_ms": int(1000 * heard_s[item_id])}
        for item_id in heard_s
        if is_cut[item_id]
    ]
    # END SOLUTION ex02.7


# %%
check("ex02.7")

# %% [markdown]
# ## The agent
#
# Now all of it is put together: a server event comes in, client events go out. This is the whole
# agent, and it has no clock and no connection.
#
# | event | we do | we send |
# |---|---|---|
# | `session.created` | | `session.update` with `session`: `session_settings(INSTRUCTIONS, 500)` |
# | `response.output_audio.delta` (`item_id`, `delta`) | `play` it | |
# | `input_audio_buffer.speech_started` | keep `heard(pieces, now_s)` | `truncations` |
# | `response.done` (`response`) | | `answers` |
# | anything else | nothing | nothing |


# %%
class WeatherAgent:
    """Knows what its speaker plays: pieces, [(item_id, start_s, samples), ...]."""

    def __init__(self):
        self.pieces = []

    def on_event(self, event, now_s):
        """Take a server event; return the client events to send."""
        return step(self, event, now_s)


def heard(pieces, now_s):
    """Return the pieces as far as they have sounded: what is left when the speaker stops."""
    ends = [max(0, int((now_s - start_s) * RATE_HZ)) for _, start_s, _ in pieces]
    cut = [(id, start_s, x[:end]) for (id, start_s, x), end in zip(pieces, ends, strict=True)]
    return [piece for piece in cut if len(piece[2])]


# %%
def step(agent, event, now_s):
    """Do what the event asks for; return the client events to send.

    >>> step(WeatherAgent(), {"type": "session.created"}, 0.0)[0]["type"]
    'session.update'
    >>> step(WeatherAgent(), {"type": "rate_limits.updated"}, 0.0)
    []
    """
    # BEGIN SOLUTION ex02.8: the table above
    kind = event["type"]
    if kind == "session.created":
        settings = session_settings(INSTRUCTIONS, 500)
        return [{"type": "session.update", "session": settings}]
    if kind == "response.output_audio.delta":
        agent.pieces = play(agent.pieces, event["item_id"], event["delta"], now_s)
    if kind == "input_audio_buffer.speech_started":
        cuts = truncations(agent.pieces, now_s)
        agent.pieces = heard(agent.pieces, now_s)
        return cuts
    if kind == "response.done":
        return answers(event["response"])
    return []
    # END SOLUTION ex02.8


# %%
check("ex02.8")

# %% [markdown]
# ## Hear it
#
# Your agent on a real WebSocket. `serving` starts our server on this machine, and OpenAI's own
# package connects to it. With a key of theirs, leave out `base_url`, and it talks to OpenAI.

# %%
from voxlab import show_source
from voxlab.agents import Line
from voxlab.agents.realtime import RecordedConnection, converse
from voxlab.clock import run_real

# %%
show_source(converse)


# %%
async def conversation(sound, replies):
    """Return the call that your agent holds with somebody who speaks the sound."""
    from openai import AsyncOpenAI

    from voxlab.serving.realtime import offline_engines, serving

    async with (
        serving(offline_engines()) as server,
        AsyncOpenAI(api_key="any", base_url=server.http_url) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        line, agent = Line(rate_hz=RATE_HZ), WeatherAgent()

        async def respond(event):
            return agent.on_event(event, line.now_s)

        await converse(RecordedConnection(connection, line), appends(sound), respond, replies)
        for _, start_s, samples in agent.pieces:
            line.agent.lay(start_s, Audio(samples, RATE_HZ))
        return line.call()


# %%
@cache
def asked(*lines, pause_s=4.5):
    """Return a call in which recorded lines are spoken, with a pause between them."""
    sounds = [data.utterance(line).audio for line in lines]
    pause = audio.silence(pause_s, sounds[0].rate_hz)
    spoken = [piece for sound in sounds for piece in (sound, pause)][:-1]
    return run_real(conversation(audio.concatenate(spoken), len(lines)))


# %%
asked("weather_tomorrow")


# %% [markdown]
# *Left ear the caller, right ear your agent.* What did it say? The recogniser has no idea of our
# mock tool: it writes down what it hears.


# %%
def written(sound):
    """Return what the recogniser hears."""
    from voxlab import MoonshineSTT

    return MoonshineSTT().recognize(sound)


# %%
written(asked("weather_tomorrow").agent)

# %% [markdown]
# Every event of it, each in the row of its type:

# %%


def draw(call):
    """Draw the events of a call, and its sound."""
    from voxlab import plot_realtime_events

    plot_realtime_events(call)


# %%
draw(asked("weather_tomorrow"))

# %% [markdown]
# And somebody who does not wait for the end. Find the truncation, and compare it with the sound
# below.

# %%
draw(asked("weather_tomorrow", "weather_friday"))

# %%
asked("weather_tomorrow", "weather_friday")

# %% [markdown]
# ## What we have learnt
#
# 1. A realtime agent is a **function from server events to client events**. Microphone, speaker and
#    socket are around it.
# 2. A function call is answered with its **output and a `response.create`**, one for all outputs;
#    errors are also results.
# 3. Sound comes **faster than it plays**. Only the client knows what was heard, and after an
#    interruption it has to say so.
#
# In voxlab, `voxlab.agents.realtime.agent` is the whole agent. It also counts the words that were
# heard, comes back after a lost connection, and notes all that happens on the timeline of a call.
