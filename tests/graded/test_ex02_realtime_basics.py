"""Exercise 2 (19.7.1): functions by hand, and the agent against our own realtime session."""

import asyncio
import base64
import itertools
import json

from voxlab.grading import graded
from voxlab.grading.expect import compare, expect

RATE_HZ = 24_000
PATIENCE_S = 40.0  # of the call, in virtual time


def field_faults(event):
    """Return what the openai package finds wrong in a client event: types, and unknown fields."""
    from typing import get_args

    from openai.types.realtime import RealtimeClientEvent
    from pydantic import BaseModel, ValidationError

    def unknown(value):
        if isinstance(value, BaseModel):
            below = [getattr(value, name) for name in value.model_fields_set]
            return [*(value.model_extra or {}), *unknown(below)]
        return [name for each in value for name in unknown(each)] if isinstance(value, list) else []

    union = get_args(RealtimeClientEvent)[0]
    models = {get_args(m.model_fields["type"].annotation)[0]: m for m in get_args(union)}
    if event.get("type") not in models:
        return [f"no client event of type {event.get('type')!r}"]
    try:
        return unknown(models[event["type"]].model_validate_json(json.dumps(event), strict=True))
    except ValidationError as error:
        return [f"{'.'.join(map(str, e['loc'][-3:]))}: {e['msg']}" for e in error.errors()[:3]]


def check_faults(events):
    """Fail if the server would refuse one of the events."""
    for event in events:
        expect(field_faults(event), [], f"what the server refuses in {event.get('type')}")


def near(tolerance):
    """Return what tells whether two numbers are that close."""
    return lambda got, expected: abs(got - expected) <= tolerance


def conversation(exercise, sounds, providers, answers):
    """Hold a session in virtual time until so many answers are complete.

    sounds: append events. Returns the call, and the pieces that the agent has played.
    """
    from voxlab.agents.line import Line
    from voxlab.agents.realtime.protocol import RecordedConnection, converse
    from voxlab.audio import Audio
    from voxlab.clock import run_virtual
    from voxlab.serving.realtime.transport.in_memory import in_memory

    async def hold():
        async with in_memory(providers)() as connection:
            line, agent = Line(rate_hz=RATE_HZ), exercise.WeatherAgent()
            on_event = agent.on_event

            async def respond(event):
                replies = on_event(event, line.now_s)
                for reply in replies:
                    check_faults([reply])
                return replies

            try:
                async with asyncio.timeout(PATIENCE_S):
                    await converse(RecordedConnection(connection, line), sounds, respond, answers)
            except TimeoutError:
                told = list(dict.fromkeys(note.data["event"]["type"] for note in line.timeline))
                raise AssertionError(f"no answer within {PATIENCE_S:g} s, only {told}") from None
            for _, start_s, samples in agent.pieces:
                line.agent.lay(start_s, Audio(samples, RATE_HZ))
            return line.call(), agent.pieces

    return run_virtual(hold())


def events_of(call, kind, type):
    """Return the events of a type that were "sent" or "received"."""
    notes = call.timeline.select("transport", kind)
    return [note.data["event"] for note in notes if note.data["event"]["type"] == type]


def spoken(exercise, *recordings):
    """Return the append events of recordings, one after another."""
    return [event for recording in recordings for event in exercise.appends(recording)]


def tone(duration_s):
    """Return a sound that the scripted detector takes for speech."""
    import numpy as np

    from voxlab.audio import Audio

    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return Audio(0.3 * np.sin(2 * np.pi * 200 * times_s), RATE_HZ)


def scripted(answers, texts):
    """Return engines with given words."""
    from voxlab.providers.protocols import Providers
    from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
    from voxlab.serving.realtime.engines import LevelVAD

    return Providers(ScriptedSTT(texts), ScriptedLLM(answers), ScriptedTTS(), LevelVAD())


# --- ex02.1, ex02.2 ------------------------------------------------------------------------


@graded(
    "ex02.1",
    points=1,
    hint="Compare with the schema of get_time: the same five names on the same levels, another "
    "tool, and two properties, both in required.",
)
def test_the_model_is_told_the_name_and_both_arguments_of_the_tool(exercise):
    tool = exercise.weather_tool()
    check_faults([{"type": "session.update", "session": {"type": "realtime", "tools": [tool]}}])
    expect(tool.get("type"), "function", "type")
    expect(tool.get("name"), "get_weather", "name")
    expect(bool(tool.get("description")), True, "has a description by which the model can choose")
    schema = tool.get("parameters") or {}
    kinds = {name: value.get("type") for name, value in schema.get("properties", {}).items()}
    expect(schema.get("type"), "object", "the type of the parameters")
    expect(kinds, {"city": "string", "day": "string"}, "the types of the arguments")
    expect(sorted(schema.get("required", ())), ["city", "day"], "what is required")


@graded(
    "ex02.2",
    points=1,
    hint="Go down the table line by line; the settings of what we send are in audio.input, those "
    "of what we hear in audio.output, and instructions and silence are the arguments.",
)
def test_the_server_takes_every_setting_of_the_table(exercise):
    for instructions, silence_ms in (("Be brief.", 500), ("Be kind.", 900)):
        settings = exercise.session_settings(instructions, silence_ms)
        check_faults([{"type": "session.update", "session": settings}])
        expect(settings["output_modalities"], ["audio"], "output_modalities")
        expect(settings["instructions"], instructions, "instructions")
        expect([tool["name"] for tool in settings["tools"]], ["get_weather"], "the tools' names")
        heard, told = settings["audio"]["input"], settings["audio"]["output"]
        pcm = {"type": "audio/pcm", "rate": RATE_HZ}
        expect([heard["format"], told["format"]], [pcm, pcm], "the formats of input and output")
        expect(bool(heard["transcription"]), True, "asks for a transcription")
        expect(heard["turn_detection"]["type"], "server_vad", "the type of turn_detection")
        expect(heard["turn_detection"]["silence_duration_ms"], silence_ms, "silence_duration_ms")


# --- ex02.3 --------------------------------------------------------------------------------


def pcm_of(events):
    """Return the pieces of sound in append events."""
    expect({e["type"] for e in events}, {"input_audio_buffer.append"}, "the types of the events")
    return [base64.b64decode(event["audio"], validate=True) for event in events]


@graded(
    "ex02.3",
    points=1,
    hint="Cut the bytes every 4800: that is 2400 samples of two bytes, 100 ms. Only the last piece "
    "may be shorter.",
)
def test_a_recording_goes_out_in_pieces_of_100_ms(exercise):
    from voxlab.audio import silence

    for duration_s, want in ((0.25, [4800, 4800, 2400]), (0.2, [4800, 4800]), (0.01, [480])):
        got = [len(piece) for piece in pcm_of(exercise.appends(silence(duration_s, RATE_HZ)))]
        expect(got, want, f"{duration_s} s of sound, the bytes of each piece")


@graded(
    "ex02.3",
    points=1,
    hint="Multiply by 32768, round, clip to -32768 and 32767, then store as '<i2': 16 bits, low "
    "byte first. Check the three samples of the table.",
)
def test_samples_become_16_bit_numbers_and_full_scale_stays_full_scale(exercise):
    import numpy as np

    from voxlab.audio import Audio

    samples = [0.5, -1.0, 1.0, 0.0, -0.25, 0.999]
    pcm = b"".join(pcm_of(exercise.appends(Audio(np.array(samples), RATE_HZ))))
    got = np.frombuffer(pcm, "<i2").tolist()
    want = [16384, -32768, 32767, 0, -8192, 32735]
    same = len(got) == len(want) and np.allclose(got, want, atol=1)
    expect(got, want, f"{samples} as 16 bits", lambda *_: same)


@graded(
    "ex02.3",
    points=1,
    hint="Recordings come at 8, 16 or 48 kHz: resample first. Joined, the pieces are the sound.",
    hidden=True,
)
def test_a_recording_of_any_rate_arrives_as_it_was(exercise):
    import numpy as np

    from voxlab import data
    from voxlab.audio import from_pcm16

    said = data.utterance("order_where").audio
    for rate_hz in (8_000, 16_000, 48_000):
        sound = said.resample(rate_hz)
        got = from_pcm16(b"".join(pcm_of(exercise.appends(sound))))
        want = np.clip(sound.resample(RATE_HZ).samples, -1, 1)
        expect(got.size, want.size, f"a recording of {rate_hz} Hz: samples")
        off = float(np.abs(got - want).max())
        expect(off, 0.0, f"a recording of {rate_hz} Hz: the largest difference", near(1e-3))


# --- ex02.4, ex02.5 ------------------------------------------------------------------------


def result_of(exercise, name, arguments):
    """Return a tool's result, which must be a JSON object."""
    text = exercise.run_tool(name, arguments)
    expect(type(text).__name__, "str", f"the type of run_tool({name!r}, {arguments!r})")
    return json.loads(text)


@graded(
    "ex02.4",
    points=1,
    hint="json.loads the arguments, call TOOLS[name] with them by name, json.dumps what it "
    "returns. A ValueError of the tool becomes {'error': its words}.",
)
def test_the_tool_gets_its_arguments_and_an_unknown_city_is_an_error(exercise):
    for city in ("Paris", "New York"):
        got = result_of(exercise, "get_weather", json.dumps({"city": city, "day": "Friday"}))
        want = exercise.get_weather(city, "Friday")
        expect(got, want, f"the weather of {city}")
    got = result_of(exercise, "get_weather", '{"city": "Atlantis", "day": "today"}')
    expect(list(got), ["error"], "what the result of Atlantis holds")
    expect("Atlantis" in got["error"], True, f"{got['error']!r} says what was wrong")


@graded(
    "ex02.4",
    points=1,
    hint="Broken JSON raises ValueError, a missing or strange argument TypeError, an unknown tool "
    "KeyError; each becomes an error that the model can read.",
    hidden=True,
)
def test_whatever_a_model_writes_as_arguments_is_survived(exercise):
    for name, arguments in (
        ("get_weather", '{"city": '),
        ("get_weather", '{"city": "Paris"}'),
        ("get_weather", '{"city": "Paris", "day": "today", "unit": "K"}'),
        ("get_weather", '["Paris", "today"]'),
        ("get_weather", "null"),
        ("get_weather", ""),
        ("get_time", '{"city": "Paris"}'),
    ):
        got = result_of(exercise, name, arguments)
        expect(list(got), ["error"], f"what the result of {name}({arguments}) holds")
        expect(bool(got["error"]), True, f"{name}({arguments}): the error has words")


def call_item(number, city):
    """Return a function call as response.done lists it."""
    return {
        **{"id": f"item_{number}", "object": "realtime.item", "type": "function_call"},
        **{"status": "completed", "name": "get_weather", "call_id": f"call_{number}"},
        "arguments": json.dumps({"city": city, "day": "tomorrow"}),
    }


MESSAGE = {
    **{"id": "item_9", "object": "realtime.item", "type": "message", "role": "assistant"},
    "content": [{"type": "output_audio", "transcript": "Let me look that up."}],
}


@graded(
    "ex02.5",
    points=1,
    hint="Two events for a call: conversation.item.create with an item of type "
    "function_call_output that names the call_id, then response.create. A message wants no reply.",
)
def test_a_call_is_answered_with_its_output_and_a_response_create(exercise):
    got = exercise.answers({"status": "completed", "output": [MESSAGE, call_item(3, "London")]})
    types = [event["type"] for event in got]
    expect(types, ["conversation.item.create", "response.create"], "a call: the events")
    check_faults(got)
    item = got[0]["item"]
    expect([item["type"], item["call_id"]], ["function_call_output", "call_3"], "type and call_id")
    want = exercise.get_weather("London", "tomorrow")
    expect(json.loads(item["output"]), want, "the output")
    for output in ([], [MESSAGE]):
        nothing = exercise.answers({"status": "completed", "output": output})
        expect(nothing, [], f"no call in {output}")


@graded(
    "ex02.5",
    points=1,
    hint="First all outputs, each with the call_id of its own call; then one response.create. Two "
    "of them would ask for two answers, and the second is refused.",
)
def test_several_calls_are_answered_with_one_response_create(exercise):
    cities = {"call_1": "Paris", "call_2": "Atlantis", "call_3": "London"}
    calls = [call_item(number, city) for number, city in enumerate(cities.values(), start=1)]
    got = exercise.answers({"status": "completed", "output": [MESSAGE, *calls]})
    types = [event["type"] for event in got]
    want = ["conversation.item.create"] * 3 + ["response.create"]
    expect(types, want, "three calls: the events")
    results = {e["item"]["call_id"]: json.loads(e["item"]["output"]) for e in got[:3]}
    told = {id: result.get("city") for id, result in results.items()}
    expect(told, {**cities, "call_2": None}, "the city of each call's output")
    expect("error" in results["call_2"], True, "the unknown city is an error")


# --- ex02.6, ex02.7 ------------------------------------------------------------------------


def delta_of(duration_s, value=0.25):
    """Return a delta with so much of a constant sound."""
    import numpy as np

    return base64.b64encode(
        np.full(round(duration_s * RATE_HZ), value * 32768).astype("<i2").tobytes()
    ).decode()


@graded(
    "ex02.6",
    points=1,
    hint="A piece starts at max(now_s, the end of the piece before); its end is start_s plus "
    "samples / RATE_HZ. '<i2' divided by 32768 gives the samples.",
)
def test_a_piece_starts_when_it_arrives_or_when_the_last_one_ends(exercise):
    import numpy as np

    pieces = []
    arrivals = ((2.0, 0.5, "a"), (2.1, 0.5, "a"), (2.6, 1.0, "b"), (5.0, 0.5, "b"))
    for number, (now_s, duration_s, item_id) in enumerate(arrivals):
        pieces = exercise.play(pieces, item_id, delta_of(duration_s, number / 8), now_s)
    got = [(item_id, round(start_s, 6), len(samples)) for item_id, start_s, samples in pieces]
    want = [("a", 2.0, 12_000), ("a", 2.5, 12_000), ("b", 3.0, 24_000), ("b", 5.0, 12_000)]
    expect(got, want, "item, start and samples of each piece")
    for number, (_, _, samples) in enumerate(pieces):
        expect(samples[:3], [number / 8] * 3, f"piece {number}, its first samples", np.allclose)


def pieces_of(*plan):
    """Return pieces of given items, starts and lengths."""
    import numpy as np

    return [(id, start_s, np.zeros(round(d * RATE_HZ), np.float32)) for id, start_s, d in plan]


def truncated_ms(exercise, pieces, now_s):
    """Return [item, audio_end_ms] of each truncation."""
    got = exercise.truncations(pieces, now_s)
    check_faults(got)
    expect([e["type"] for e in got], ["conversation.item.truncate"] * len(got), "the events")
    return [[event["item_id"], event["audio_end_ms"]] for event in got]


def rounded_down(got, want):
    """Tell whether the items are the same, and their milliseconds but for rounding."""
    return len(got) == len(want) and all(
        mine[0] == other[0] and 0 <= other[1] - mine[1] <= 1
        for mine, other in zip(got, want, strict=True)
    )


@graded(
    "ex02.7",
    points=1,
    hint="For each item add up how much of each of its pieces has sounded; an item is over if its "
    "last piece is. audio_end_ms is a whole number: int(1000 * seconds).",
)
def test_what_was_not_heard_to_its_end_is_truncated_where_it_was_heard(exercise):
    pieces = pieces_of(("a", 2.0, 1.0), ("b", 3.0, 1.0), ("b", 4.0, 1.0))
    for now_s, want in (
        (2.5, {"a": 500, "b": 0}),
        (4.2, {"b": 1200}),
        (5.0, {}),
        (9.0, {}),
    ):
        got = truncated_ms(exercise, pieces, now_s)
        told = f"a sounds from 2 to 3 s, b from 3 to 5 s, spoken over at {now_s} s"
        expect(got, [list(pair) for pair in want.items()], told, rounded_down)
    expect(truncated_ms(exercise, [], 1.0), [], "nothing has sounded")


@graded(
    "ex02.7",
    points=1,
    hint="Between two pieces there may be a gap in which nothing sounds: count sound, not the time "
    "since the item began.",
    hidden=True,
)
def test_truncations_count_sound_and_not_time(exercise):
    import numpy as np

    def cut(plan, now_ms):
        """plan: the item of each piece, the gap before it and how long it lasts, in ms."""
        ends_ms = list(itertools.accumulate(gap_ms + lasts_ms for _, gap_ms, lasts_ms in plan))
        if now_ms in ends_ms or not all(lasts_ms for _, _, lasts_ms in plan):
            raise ValueError("pieces sound, and at the very end of one rounding decides")
        heard, pieces = {}, []
        for (item, _, lasts_ms), end_ms in zip(plan, ends_ms, strict=True):
            pieces += pieces_of((f"item_{item}", (end_ms - lasts_ms) / 1000, lasts_ms / 1000))
            sounded_ms = min(max(0, now_ms - end_ms + lasts_ms), lasts_ms)
            heard[item] = [heard.get(item, [0])[0] + sounded_ms, end_ms > now_ms]
        want = [[f"item_{item}", ms] for item, (ms, is_cut) in heard.items() if is_cut]
        return truncated_ms(exercise, pieces, now_ms / 1000), want

    def call(plan, now_ms):
        return f"pieces of (item, gap, duration) in ms {plan}, spoken over at {now_ms} ms"

    rng = np.random.default_rng(11)
    cases = []
    for _ in range(60):
        plan = [
            (number // 3, int(rng.choice([0, 300])), int(rng.integers(1, 20)) * 100)
            for number in range(int(rng.integers(1, 8)))
        ]
        whole_ms = sum(gap_ms + lasts_ms for _, gap_ms, lasts_ms in plan)
        cases.append((plan, 5 + 10 * int(rng.integers(0, whole_ms // 10 + 50))))
    compare(call, cases, cut, rounded_down)


# --- ex02.8 --------------------------------------------------------------------------------


def words(text):
    """Return the words of a text, small and without marks."""
    return set("".join(c if c.isalpha() else " " for c in text.lower()).split())


def answer_to(exercise, *utterances):
    """Return what a recogniser hears of the answers to recorded questions, with real engines."""
    from voxlab.audio import silence
    from voxlab.providers.offline import offline

    pause = silence(8.0, 16_000)
    sounds = [piece for utterance in utterances for piece in (utterance.audio, pause)][:-1]
    call, _ = conversation(exercise, spoken(exercise, *sounds), offline(), len(utterances))
    errors = events_of(call, "received", "error")
    expect([error["error"]["message"] for error in errors], [], "the server's errors")
    expect(bool(call.agent.samples.any()), True, "something is to be heard")
    return offline().stt.recognize(call.agent)


@graded(
    "ex02.8",
    points=1,
    limit_s=60.0,
    hint="Settings at session.created, play at each response.output_audio.delta, answers at "
    "response.done; step returns a list in every case.",
)
def test_a_spoken_question_gets_a_spoken_answer_with_the_mock_s_weather(exercise):
    from voxlab import data

    said = answer_to(exercise, data.utterance("weather_tomorrow"))
    wanted = {"paris", "snow"}
    expect(words(said) & wanted, wanted, f"asked about Paris, the agent said {said!r}: its words")


@graded(
    "ex02.8",
    points=1,
    limit_s=60.0,
    hint="At speech_started the truncations go out, and agent.pieces become heard(...): first the "
    "one, then the other, for truncations needs what was to come.",
)
def test_speaking_over_the_agent_stops_it_and_truncates_to_what_was_heard(exercise):
    from voxlab.audio import silence

    long = "A long answer that goes on and on and on and on and on. " * 2
    providers = scripted([long, "Yes?"], ["What is new?", "Stop."])
    sounds = spoken(exercise, tone(1.0), silence(3.0, RATE_HZ), tone(1.0))
    call, pieces = conversation(exercise, sounds, providers, answers=1)  # the first is cancelled
    errors = events_of(call, "received", "error")
    expect([error["error"]["message"] for error in errors], [], "the server's errors")
    truncated = events_of(call, "received", "conversation.item.truncated")
    expect(len(truncated), 1, "truncated items")
    item_id, end_ms = truncated[0]["item_id"], truncated[0]["audio_end_ms"]
    want_ms = 1000 * heard_s(call, item_id)
    expect(end_ms, want_ms, "truncated at so many milliseconds", near(1))
    kept_s = sum(len(samples) for id, _, samples in pieces if id == item_id) / RATE_HZ
    expect(kept_s, want_ms / 1000, "seconds of it that stay in agent.pieces", near(0.002))
    expect(pieces[-1][0] == item_id, False, "the last piece is of the answer that was cut")


def heard_s(call, item_id):
    """Return how much of an item had sounded when the caller began to speak again."""
    notes = call.timeline.select("transport", "received")
    starts = [n.at_s for n in notes if n.data["event"]["type"].endswith("speech_started")]
    deltas = [n for n in notes if n.data["event"]["type"] == "response.output_audio.delta"]
    sounds = [n for n in deltas if n.data["event"]["item_id"] == item_id]
    received_s = sum(note.data["sound_bytes"] for note in sounds) / 2 / RATE_HZ
    return min(starts[1] - sounds[0].at_s, received_s)


@graded(
    "ex02.8",
    points=1,
    limit_s=60.0,
    hint="Another city, another voice, a city that the mock does not know: the answer comes from "
    "the tool's result, whatever it is.",
    hidden=True,
)
def test_other_questions_get_the_mock_s_weather_too(exercise):
    from voxlab import data

    said = answer_to(exercise, data.utterance("weather_friday", "espeak"))
    wanted = {"london", "sunshine"}
    expect(words(said) & wanted, wanted, f"asked about London, the agent said {said!r}: its words")
