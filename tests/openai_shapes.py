"""What OpenAI-compatible servers send in the field, and what becomes of it: data, nothing else.

Replies of a language model: the chunks' deltas, or whole chunks, and the texts and calls expected.
A call is (name, arguments). Gathered from issues and documents of servers; re-made in our words.
"""

from typing import Any

ROME, PARIS, PING = ("weather", {"city": "Rome"}), ("weather", {"city": "Paris"}), ("ping", {})
LINES = ("weather", {"city": "New\nYork"})


def call(name: Any = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{**more, "function": {"name": name, "arguments": arguments}}]}


def calls(*each: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [one for delta in each for one in delta["tool_calls"]]}


def text(content: Any) -> dict[str, Any]:
    return {"content": content}


def part(kind: str, content: Any, key: str = "text") -> dict[str, Any]:
    return {"type": kind, key: content}


ROME_TEXT = '{"city":"Rome"}'
PARIS_TEXT = '{"city":"Paris"}'
HALVES = ('{"city"', ':"Rome"}')

# name: (deltas of one reply, what is expected)
CONTENT: dict[str, tuple[list[Any], list[Any]]] = {
    "a text": ([text("Hello "), text("there.")], ["Hello there."]),
    "a list of parts": ([text([part("text", "Hello "), part("text", "there.")])], ["Hello there."]),
    "a part alone": ([text(part("text", "Hello."))], ["Hello."]),
    "texts in a list": ([text(["Hello", "."])], ["Hello."]),
    "output_text": ([text([part("output_text", "Hello.")])], ["Hello."]),
    "a part within its text": ([text([part("text", {"value": "Hello."})])], ["Hello."]),
    "a part without a type": ([text([{"text": "Hello."}])], ["Hello."]),
    "a refusal": ([{"refusal": "I can't."}], ["I can't."]),
    "a refusal as a part": ([text([part("refusal", "I can't.", "refusal")])], ["I can't."]),
    "a thought as a part": (
        [text([part("thinking", [part("text", "hm")], "thinking")]), text([part("text", "Hi.")])],
        ["Hi."],
    ),
    "unknown parts": ([text([part("image_url", "x"), 3, None, {}, part("text", "Hi.")])], ["Hi."]),
    "no content": ([text(None), {}, None, text("Hi.")], ["Hi."]),
    "a delta that is a text": (["Hi."], ["Hi."]),
}
THOUGHTS: dict[str, tuple[list[Any], list[Any]]] = {
    "a field of their own": ([{"reasoning_content": "hm"}, text("Hi.")], ["Hi."]),
    "... by its other name": ([{"reasoning": "hm", "content": ""}, text("Hi.")], ["Hi."]),
    "tags": ([text("<think>"), text("They greet."), text("</think>"), text("\n\nHi.")], ["Hi."]),
    "tags in pieces": ([text("<th"), text("ink>They."), text("</thi"), text("nk>Hi.")], ["Hi."]),
    "one character each": ([text(c) for c in "<think>2 < 3</think>Hi <3."], ["Hi <3."]),
    "nothing thought": ([text("<think>\n\n</think>\n\n"), text("Hi.")], ["Hi."]),
    "thought twice": ([text("<think>a</think>Hi. <think>b</think>There.")], ["Hi. There."]),
    "the closing tag alone": ([text("They greet."), text("</think>"), text("Hi.")], ["Hi."]),
    "... within a delta": ([text("They greet. I "), text("greet.</think>\nHi.")], ["Hi."]),
    "a call within one that the template opened": (
        [text("I <tool_call>? No.</think>Hi.")],
        ["Hi."],
    ),
    "Magistral": ([text("[THINK]hm[/THINK]Hi.")], ["Hi."]),
    "Kimi": ([text("◁think▷hm◁/think▷Hi.")], ["Hi."]),
    "gpt-oss": (
        [
            text("<|channel|>analysis<|message|>hm<|end|><|start|>assistant"),
            text("<|channel|>final<|message|>Hi."),
        ],
        ["Hi."],
    ),
    "other tags within": ([text("<think>a <b> [c] </thinking></think>Hi.")], ["Hi."]),
    "no thoughts": ([text("I think 2 < 3. [TH"), text("E END]")], ["I think 2 < 3. [THE END]"]),
    "a text that ends like a tag": ([text("Is it <thi")], ["Is it <thi"]),
    "a call after a thought": ([text("<think>hm</think>"), call("ping", "{}", index=0)], [PING]),
}
CALLS: dict[str, tuple[list[Any], list[Any]]] = {
    "OpenAI": (
        [call("weather", "", index=0, id="a"), *(call(None, h, index=0) for h in HALVES)],
        [ROME],
    ),
    "OpenAI, two": (
        [
            call("weather", "", index=0, id="a"),
            call(None, ROME_TEXT, index=0),
            call("weather", "", index=1, id="b"),
            call(None, PARIS_TEXT, index=1),
        ],
        [ROME, PARIS],
    ),
    "two, by turns": (
        [
            call("weather", HALVES[0], index=0, id="a"),
            call("ping", "", index=1, id="b"),
            call(None, HALVES[1], index=0),
            call(None, "{}", index=1),
        ],
        [ROME, PING],
    ),
    "two in a delta": (
        [calls(call("weather", ROME_TEXT, index=0, id="a"), call("ping", "{}", index=1, id="b"))],
        [ROME, PING],
    ),
    "the same twice, with two ids": (
        [call("ping", "{}", index=0, id="a"), call("ping", "{}", index=1, id="b")],
        [PING, PING],
    ),
    "index 0 for all": (
        [call("weather", ROME_TEXT, index=0, id="a"), call("ping", "", index=0, id="b")],
        [ROME, PING],
    ),
    "index 0 for all, the same tool": (
        [call("weather", ROME_TEXT, index=0, id="a"), call("weather", PARIS_TEXT, index=0, id="b")],
        [ROME, PARIS],
    ),
    "no index, no id": ([call("weather", ROME_TEXT), call("ping", "{}")], [ROME, PING]),
    "no index, no id, the same tool": (
        [call("weather", ROME_TEXT), call("weather", PARIS_TEXT)],
        [ROME, PARIS],
    ),
    "index 0, id empty": (
        [call("weather", ROME_TEXT, index=0, id=""), call("ping", "{}", index=0, id="")],
        [ROME, PING],
    ),
    "one id for all": (
        [call("weather", ROME_TEXT, index=0, id="x"), call("weather", PARIS_TEXT, index=1, id="x")],
        [ROME, PARIS],
    ),
    "one id and index for all": (
        [call("weather", ROME_TEXT, index=0, id="x"), call("weather", PARIS_TEXT, index=0, id="x")],
        [ROME, PARIS],
    ),
    "a new id in every delta": (
        [call("weather", HALVES[0], index=0, id="a"), call(None, HALVES[1], index=0, id="b")],
        [ROME],
    ),
    "... and the name": (
        [call("weather", HALVES[0], index=0, id="a"), call("weather", HALVES[1], index=0, id="b")],
        [ROME],
    ),
    "a new index in every delta": (
        [call("weather", HALVES[0], index=0, id="a"), call(None, HALVES[1], index=1)],
        [ROME],
    ),
    "the name in every delta": (
        [call("weather", h, index=0, id="a") for h in HALVES],
        [ROME],
    ),
    "... without an id": ([call("weather", h, index=0) for h in ("", *HALVES)], [ROME]),
    "the index once": (
        [call("weather", HALVES[0], index=0, id="a"), call(None, HALVES[1])],
        [ROME],
    ),
    "the index as a text": ([call("weather", h, index="0", id="a") for h in HALVES], [ROME]),
    "the id as a number": ([call("ping", "{}", index=0, id=7)], [PING]),
    "'{}' first": (
        [call("weather", "{}", index=0, id="a"), call(None, ROME_TEXT, index=0)],
        [ROME],
    ),
    "'{}' first, with the name again": (
        [call("weather", "{}", index=0), call("weather", ROME_TEXT, index=0)],
        [ROME],
    ),
    "all so far in every delta": (
        [call("weather", t, index=0, id="a") for t in ('{"ci', '{"city":"R', ROME_TEXT)],
        [ROME],
    ),
    "the whole call twice": ([call("weather", ROME_TEXT, index=0, id="a")] * 2, [ROME]),
    "arguments as an object": ([call("weather", {"city": "Rome"}, index=0, id="a")], [ROME]),
    "arguments null": ([call("ping", None, index=0, id="a")], [PING]),
    "arguments left out": ([{"tool_calls": [{"index": 0, "function": {"name": "ping"}}]}], [PING]),
    "arguments 'null'": ([call("ping", "null", index=0, id="a")], [PING]),
    "arguments of blanks": ([call("ping", " \n", index=0, id="a")], [PING]),
    "arguments []": ([call("ping", [], index=0, id="a")], [PING]),
    "arguments encoded twice": ([call("weather", '"{\\"city\\":\\"Rome\\"}"', index=0)], [ROME]),
    "a line break in a string": ([call("weather", '{"city":"New\nYork"}', index=0)], [LINES]),
    "called parameters": (
        [{"tool_calls": [{"function": {"name": "weather", "parameters": {"city": "Rome"}}}]}],
        [ROME],
    ),
    "without a function": (
        [{"tool_calls": [{"index": 0, "id": "a", "name": "weather", "arguments": ROME_TEXT}]}],
        [ROME],
    ),
    "a list that is one": ([{"tool_calls": call("ping", "{}")["tool_calls"][0]}], [PING]),
    "blanks around the name": ([call(" ping ", "{}", index=0)], [PING]),
    "function_call": (
        [
            {"function_call": {"name": "weather", "arguments": HALVES[0]}},
            {"function_call": {"arguments": HALVES[1]}},
        ],
        [ROME],
    ),
    "in the text": (
        [
            text("<tool_call>\n"),
            text('{"name": "weather", "arguments": {"city": "Rome"}}\n'),
            text("</tool_call>"),
        ],
        [ROME],
    ),
    "in a text without an end": ([text('Yes. <tool_call>{"name": "ping"}')], ["Yes. ", PING]),
    "after a text": ([text("One moment."), call("ping", "{}", index=0)], ["One moment.", PING]),
    "a phantom: nulls": ([text("Hi."), call(None, None, index=0, id=None)], ["Hi."]),
    "a phantom: empty texts": ([text("Hi."), call("", "", index=0, id="")], ["Hi."]),
    "a phantom: only an id": ([text("Hi."), call("", "", index=0, id="a")], ["Hi."]),
    "a phantom: an empty object": ([text("Hi."), {"tool_calls": [{}]}], ["Hi."]),
    "a phantom: null": ([text("Hi."), {"tool_calls": [None]}], ["Hi."]),
    "a phantom: no list": ([text("Hi."), {"tool_calls": "none"}], ["Hi."]),
}
# name: (whole chunks, what is expected)
STOP = {"index": 0, "delta": {}, "finish_reason": "stop"}
WHOLE = {"role": "assistant", "content": "Hi.", **call("ping", "{}", id="a")}
CHUNKS: dict[str, tuple[list[Any], list[Any]]] = {
    "the last has no delta": (
        [{"choices": [{"delta": text("Hi.")}]}, {"choices": [{"finish_reason": "stop"}]}],
        ["Hi."],
    ),
    "usage in the last": (
        [
            {"choices": [{"delta": text("Hi.")}]},
            {"choices": [STOP]},
            {"choices": [], "usage": {"total_tokens": 3}},
        ],
        ["Hi."],
    ),
    "no choices in some": (
        [
            {"choices": None},
            {"type": "ping"},
            {"choices": [{"delta": text("Hi.")}, None]},
            {"choices": STOP},
        ],
        ["Hi."],
    ),
    "all in one message": (
        [{"choices": [{"message": WHOLE, "finish_reason": "stop"}]}],
        ["Hi.", PING],
    ),
    "all once more in the last": (
        [
            {"choices": [{"delta": text("Hi.")}]},
            {"choices": [{"delta": call("ping", "{}", index=0, id="a")}]},
            {"choices": [{"message": WHOLE, "finish_reason": "tool_calls"}]},
        ],
        ["Hi.", PING],
    ),
    "the calls in the last only": (
        [
            {"choices": [{"delta": text("Hi.")}]},
            {"choices": [{"message": WHOLE}]},
            {"choices": [STOP]},
        ],
        ["Hi.", PING],
    ),
    "the old completions": ([{"choices": [{"text": "Hi.", "finish_reason": "length"}]}], ["Hi."]),
    "another reason to finish": (
        [
            {"choices": [{"delta": call("ping", "{}", index=0)}]},
            {"choices": [{"delta": {}, "finish_reason": "eos_token"}]},
        ],
        [PING],
    ),
}

# Bodies of an answer with status 200. name: (body, what is expected, or a pattern of the error)
CHUNK = '{"choices":[{"delta":{"content":"Hi."},"finish_reason":"stop"}]}'
BODIES: dict[str, tuple[bytes, list[Any] | str]] = {
    "OpenAI": (f"data: {CHUNK}\n\ndata: [DONE]\n\n".encode(), ["Hi."]),
    "no [DONE]": (f"data: {CHUNK}\n\n".encode(), ["Hi."]),
    "no blank line at the end": (f"data: {CHUNK}".encode(), ["Hi."]),
    "only [DONE] for the end": (
        b'data: {"choices":[{"delta":{"content":"Hi."}}]}\n\ndata: [DONE]\n\n',
        ["Hi."],
    ),
    "\\r\\n": (f"data: {CHUNK}\r\n\r\ndata: [DONE]\r\n\r\n".encode(), ["Hi."]),
    "\\r": (f"data: {CHUNK}\r\rdata: [DONE]\r\r".encode(), ["Hi."]),
    "no blank after the colon": (f"data:{CHUNK}\n\ndata:[DONE]\n\n".encode(), ["Hi."]),
    "no blank lines": (f"data: {CHUNK}\ndata: [DONE]\n".encode(), ["Hi."]),
    "a value over two lines": (
        b'data: {"choices":[{"delta":{"content":"Hi."},\ndata: "finish_reason":"stop"}]}\n\n',
        ["Hi."],
    ),
    "comments, ids, names": (
        f": OPENROUTER PROCESSING\n\nid: 1\nevent: message\nretry: 3\ndata: {CHUNK}\n\n".encode(),
        ["Hi."],
    ),
    "empty data": (f"data:\n\ndata: {CHUNK}\n\n".encode(), ["Hi."]),
    "a byte order mark": (f"\ufeffdata: {CHUNK}\n\n".encode(), ["Hi."]),
    "more after [DONE]": (f"data: {CHUNK}\n\ndata: [DONE]\n\ndata: no\n\n".encode(), ["Hi."]),
    "JSON lines": (f"{CHUNK}\n{CHUNK}\n".encode(), ["Hi.Hi."]),
    "a JSON list": (f"[{CHUNK}]".encode(), ["Hi."]),
    "one JSON document": (
        b'\n{"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}]}',
        ["Hi."],
    ),
    "bytes that are no UTF-8": (
        b'data: {"choices":[{"delta":{"content":"Hi.\xff"},"finish_reason":"stop"}]}\n\n',
        ["Hi.\ufffd"],
    ),
    "an error with status 200": (b'{"error":{"message":"Model not loaded"}}', "Model not loaded"),
    "an error that is a text": (b'{"error":"no such model"}', "failed: no such model"),
    "an error by another name": (b'{"detail":"Not Found"}', "Not Found"),
    "an error in the stream": (b'data: {"error":{"message":"CUDA oom"}}\n\n', "CUDA oom"),
    "an error event": (b"event: error\ndata: overloaded\n\n", "failed: overloaded"),
    "an error field": (b'error: {"code":500,"message":"slot busy"}\n\n', "slot busy"),
    "a page": (b"<!DOCTYPE html><html><title>502 Bad Gateway</title></html>", "page, '502 Bad"),
    "a text": (b"404 page not found", "began with '404 page not found'"),
    "nothing": (b"", "nothing came"),
    "blanks": (b"\n\n", "nothing came"),
    "cut in the middle": (b'data: {"choices":[{"delta":{"content":"Hi."}}]}\n\n', "broke off"),
    "cut within a value": (f"data: {CHUNK[:30]}".encode(), "is no JSON"),
    "numbers": (b"data: 3\n\n", "streamed 3"),
    "brackets": (b"data: " + b"[" * 100_000 + b"\n\n", "is no JSON"),
    "Ollama's own format": (
        b'{"message":{"content":"Hi."},"done":true}',
        "streamed .*Hi.*needs chunks",
    ),
    "filtered": (b'data: {"choices":[{"finish_reason":"content_filter"}]}\n\n', "content filter"),
    "a call that is none": (
        b'data: {"choices":[{"finish_reason":"tool_calls"}]}\n\n',
        "names none",
    ),
    "a thought without an end": (
        b'data: {"choices":[{"delta":{"content":"<think>hm"},"finish_reason":"length"}]}\n\n',
        "ended within a thought",
    ),
}


# Answers of a recogniser. name: (body, the final text, or "error: " and a pattern of the error)
DELTA = 'data: {"type":"transcript.text.delta","delta":"Hi"}\n\n'
DONE = 'data: {"type":"transcript.text.done","text":" Hi. "}\n\n'
TRANSCRIPTS: dict[str, tuple[bytes, str]] = {
    "OpenAI": (f"{DELTA}{DONE}data: [DONE]\n\n".encode(), "Hi."),
    "the last without a blank line": (f"{DELTA}{DONE.strip()}".encode(), "Hi."),
    "more after the last": (f"{DONE}{DELTA}{DONE}".encode(), "Hi."),
    "other events": (f'data: {{"type":"x","text":"no"}}\n\n{DONE}'.encode(), "Hi."),
    "one document": (b'{"text": " Hi. "}', "Hi."),
    "with segments": (b'{"text": "Hi.", "segments": [{"text": "Hi."}], "language": "en"}', "Hi."),
    "nothing heard": (b'{"text": ""}', ""),
    "pieces of text": (b'data: {"text":"Hi"}\n\ndata: {"text":" there."}\n\n', "Hi there."),
    "no end": (DELTA.encode(), "error: broke off after 'Hi'"),
    "no text": (b'{"text": null}', "error: answered {'text': None}"),
    "an error": (b'{"error": {"message": "no such model"}}', "error: no such model"),
    "an error in the stream": (f'{DELTA}data: {{"error":"oom"}}\n\n'.encode(), "error: oom"),
    "a list": (b'[["Hi."]]', r"error: failed: \['Hi"),
    "a page": (b"<html><title>404</title>", "error: page, '404'"),
    "a text": (b"not found", "error: answered 'not found'"),
    "nothing at all": (b"", "error: answered ''"),
}
