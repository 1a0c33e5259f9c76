"""The order in which a realtime connection's events may come: a referee for recorded streams.

`Automaton` follows a whole stream: each event is the SDK's (`realtime_models`), what is opened is
closed, deltas add up, items form one chain, offsets never go back, and each response ends exactly
once. It raises ProtocolFault.
"""

import base64
import json
from dataclasses import dataclass, field

from realtime_models import Event, ProtocolFault, validated

LARGEST_FRAME = 2**20  # what many clients read at most
LONGEST_DELTA = 4_800  # bytes: 100 ms at 24 kHz


@dataclass
class _Part:
    kind: str
    text: str = ""
    done: set[str] = field(default_factory=set)


@dataclass
class _Output:
    item: Event
    parts: dict[int, _Part] = field(default_factory=dict)
    arguments: str = ""
    arguments_done: bool = False
    in_conversation: bool = False

    def is_told(self) -> bool:
        """Whether all of it has been sent."""
        if self.item["type"] == "function_call":
            return self.arguments_done
        return all("response.content_part.done" in part.done for part in self.parts.values())


@dataclass
class _Response:
    conversation_id: str | None
    outputs: list[_Output] = field(default_factory=list)
    open: bool = False  # whether its last output is being made


class Automaton:
    """Follows the events of one session; `feed` raises ProtocolFault at the first wrong one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.order: list[str] = []  # the conversation's items
        self.session: Event = {}
        self._ids: set[str] = set()
        self._pending: dict[str, Event] = {}  # items added and not done
        self._gone: set[str] = set()  # items deleted
        self._cut: set[str] = set()  # items truncated
        self._committed: Event | None = None
        self._complete: str | None = None  # an item that was added whole
        self._speech: str | None = None
        self._stopped: str | None = None
        self._offset_ms = 0
        self._responses: dict[str, _Response] = {}
        self._ended: set[str] = set()
        self._owes_limits = False
        self._heard: dict[str, str] = {}  # transcription deltas of an item
        self._transcribed: set[str] = set()

    def feed(self, raw: str) -> Event:
        """Take the next event of the stream and return it."""
        self._need(len(raw) < LARGEST_FRAME, f"a frame of {len(raw)} bytes")
        event = validated(raw)
        self._need(event["event_id"] not in self._ids, "an event_id twice")
        self._ids.add(event["event_id"])
        self.events.append(event)
        kind = event["type"]
        first = len(self.events) == 1
        self._need(first == (kind == "session.created"), f"{kind} where session.created belongs")
        self._need(not self._owes_limits or kind == "rate_limits.updated", "no rate limits")
        self._need(
            self._committed is None or kind == "conversation.item.added",
            f"{kind} between a commit and its item",
        )
        self._need(
            self._stopped is None or kind == "input_audio_buffer.committed",
            f"{kind} between speech_stopped and its commit",
        )
        self._need(
            self._complete is None
            or (kind == "conversation.item.done" and event["item"]["id"] == self._complete),
            f"{kind} between a complete item and its end",
        )
        self._complete = None
        handler = getattr(self, "_" + kind.replace(".", "_"), None)
        if handler is not None:
            handler(event)
        elif kind.startswith("response."):
            self._part_event(event)
        return event

    def finish(self) -> None:
        """Say that the stream is over and nothing more is due."""
        self._need(not self._responses, f"responses never end: {list(self._responses)}")
        self._need(not self._pending, f"items are never done: {list(self._pending)}")
        self._need(not self._owes_limits, "no rate limits after the last response")
        self._need(self._committed is None, "a commit without an item")

    @property
    def active(self) -> list[str]:
        """The responses that are being made."""
        return list(self._responses)

    def _need(self, holds: bool, fault: str) -> None:
        if not holds:
            raise ProtocolFault(f"event {len(self.events)}: {fault}")

    # --- session ------------------------------------------------------------------------------

    def _session_created(self, event: Event) -> None:
        self.session = event["session"]

    def _session_updated(self, event: Event) -> None:
        self.session = event["session"]
        modalities = self.session["output_modalities"]
        self._need(modalities in (["audio"], ["text"]), f"modalities {modalities}")
        if self.session["audio"]["input"]["turn_detection"] is None:
            self._speech = None

    def _error(self, event: Event) -> None:
        self._need(event["error"]["type"] != "server_error", f"a fault of ours: {event['error']}")

    def _rate_limits_updated(self, event: Event) -> None:
        self._need(self._owes_limits, "rate limits without a response")
        self._owes_limits = False
        for limit in event["rate_limits"]:
            self._need(0 <= limit["remaining"] <= limit["limit"], "impossible rate limits")

    # --- what is heard ------------------------------------------------------------------------

    def _moves_to(self, offset_ms: int) -> None:
        self._need(offset_ms >= self._offset_ms, f"offset {offset_ms} after {self._offset_ms}")
        self._offset_ms = offset_ms

    def _input_audio_buffer_speech_started(self, event: Event) -> None:
        self._need(self._speech is None, "speech starts twice")
        self._need(event["item_id"] not in self.order, "speech for an item that exists")
        self._speech = event["item_id"]
        self._moves_to(event["audio_start_ms"])

    def _input_audio_buffer_speech_stopped(self, event: Event) -> None:
        self._need(event["item_id"] == self._speech, "speech stops that has not started")
        self._stopped, self._speech = self._speech, None
        self._moves_to(event["audio_end_ms"])

    def _input_audio_buffer_timeout_triggered(self, event: Event) -> None:
        self._moves_to(event["audio_start_ms"])
        self._moves_to(event["audio_end_ms"])
        self._stopped = event["item_id"]

    def _input_audio_buffer_cleared(self, event: Event) -> None:
        self._speech = None

    def _input_audio_buffer_committed(self, event: Event) -> None:
        expected = self._stopped or self._speech
        named = expected is None or event["item_id"] == expected
        self._need(named, "a turn is committed under another name")
        last = self.order[-1] if self.order else None
        self._need(event["previous_item_id"] == last, "a commit after the wrong item")
        self._committed, self._stopped, self._speech = event, None, None

    def _conversation_item_input_audio_transcription_delta(self, event: Event) -> None:
        self._heard[event["item_id"]] = self._heard.get(event["item_id"], "") + event["delta"]

    def _conversation_item_input_audio_transcription_completed(self, event: Event) -> None:
        heard = self._heard.pop(event["item_id"], "")
        self._need(heard == event["transcript"], "a transcript unlike its deltas")
        self._transcription_ends(event)

    def _conversation_item_input_audio_transcription_failed(self, event: Event) -> None:
        self._transcription_ends(event)

    def _transcription_ends(self, event: Event) -> None:
        item_id = event["item_id"]
        self._need(item_id in self.order and item_id not in self._pending, "words of no item")
        self._need(item_id not in self._transcribed, "an item is transcribed twice")
        self._transcribed.add(item_id)

    # --- the conversation ---------------------------------------------------------------------

    def _conversation_item_added(self, event: Event) -> None:
        item, previous = event["item"], event["previous_item_id"]
        self._need(item["id"] not in self.order, "an item is added twice")
        self._need(previous is None or previous in self.order, "an unknown predecessor")
        if self._committed is not None:
            self._need(item["id"] == self._committed["item_id"], "another item than committed")
            same = previous == self._committed["previous_item_id"]
            self._need(same, "another place than committed")
            self._committed = None
        self.order.insert(self.order.index(previous) + 1 if previous else 0, item["id"])
        self._pending[item["id"]] = item
        self._complete = item["id"] if item["status"] == "completed" else None
        for response in self._responses.values():
            if response.open and response.outputs[-1].item["id"] == item["id"]:
                self._need(response.conversation_id is not None, "an out-of-band item is added")
                response.outputs[-1].in_conversation = True

    def _conversation_item_done(self, event: Event) -> None:
        item, previous = event["item"], event["previous_item_id"]
        self._need(item["id"] in self._pending, "an item is done that was not added")
        self._need(item["status"] != "in_progress", "an item is done and in progress")
        at = self.order.index(item["id"])
        self._need(previous == (self.order[at - 1] if at else None), "the chain is broken")
        del self._pending[item["id"]]
        for response in self._responses.values():
            if response.open and response.outputs[-1].item["id"] == item["id"]:
                self._need(response.outputs[-1].is_told(), "an item is done before its parts")

    def _conversation_item_deleted(self, event: Event) -> None:
        self._need(event["item_id"] in self.order, "an unknown item is deleted")
        self.order.remove(event["item_id"])
        self._pending.pop(event["item_id"], None)
        self._gone.add(event["item_id"])

    def _conversation_item_retrieved(self, event: Event) -> None:
        self._need(event["item"]["id"] in self.order, "an unknown item is retrieved")

    def _conversation_item_truncated(self, event: Event) -> None:
        self._need(event["item_id"] in self.order, "an unknown item is truncated")
        self._cut.add(event["item_id"])

    # --- responses ----------------------------------------------------------------------------

    def _response_created(self, event: Event) -> None:
        response = event["response"]
        known = response["id"] in self._responses or response["id"] in self._ended
        self._need(not known, "a response is created twice")
        fresh = response["status"] == "in_progress" and response["usage"] is None
        self._need(fresh and response["output"] == [], "a response is created old")
        self._need("status_details" in response, "a response without status_details")
        if response["conversation_id"] is not None:
            others = [r for r in self._responses.values() if r.conversation_id is not None]
            self._need(not others, "two responses write to the conversation")
        self._responses[response["id"]] = _Response(response["conversation_id"])

    def _response_done(self, event: Event) -> None:
        told = event["response"]
        response = self._responses.pop(told["id"], None)
        self._need(response is not None, "a response is done that was not created, or twice")
        assert response is not None
        self._ended.add(told["id"])
        self._need(told["status"] != "in_progress", "a response is done and in progress")
        self._need(not response.open, "a response is done with an open item")
        self._need(told["output"] == [o.item for o in response.outputs], "another output than sent")
        details = told["status_details"]
        matches = details is None or details["type"] == told["status"]
        self._need(matches, "the details are of another status")
        usage = told["usage"]
        total = usage["input_tokens"] + usage["output_tokens"]
        self._need(usage["total_tokens"] == total, "tokens do not add up")
        self._owes_limits = True

    def _of(self, event: Event) -> tuple[_Response, _Output]:
        response = self._responses.get(event["response_id"])
        self._need(response is not None, f"{event['type']} of no active response")
        assert response is not None
        self._need(response.open, f"{event['type']} without an open item")
        output = response.outputs[-1]
        self._need(event["output_index"] == len(response.outputs) - 1, "a wrong output_index")
        self._need(event["item_id"] == output.item["id"], "a wrong item_id")
        return response, output

    def _response_output_item_added(self, event: Event) -> None:
        response = self._responses.get(event["response_id"])
        self._need(response is not None, "an item of no active response")
        assert response is not None
        self._need(not response.open, "a second item before the first is done")
        self._need(event["output_index"] == len(response.outputs), "a wrong output_index")
        self._need(event["item"]["status"] == "in_progress", "an item is added finished")
        response.outputs.append(_Output(event["item"]))
        response.open = True

    def _response_output_item_done(self, event: Event) -> None:
        response, output = self._of({**event, "item_id": event["item"]["id"]})
        item = event["item"]
        self._need(item["status"] in ("completed", "incomplete"), "an item is done and open")
        self._need(output.is_told(), "an output is done before its parts")
        for index, part in output.parts.items():
            told = item["content"][index]
            text = told.get("text" if part.kind == "text" else "transcript")
            expected = None if item["id"] in self._cut else part.text
            self._need(text == expected, "the item's text is unlike its deltas")
        if response.conversation_id is not None:
            self._need(output.in_conversation, "an item is done that was never added")
            self._need(item["id"] not in self._pending, "output_item.done before item.done")
        output.item, response.open = item, False

    def _part_event(self, event: Event) -> None:
        response, output = self._of(event)
        kind = event["type"]
        if response.conversation_id is not None:
            self._need(output.in_conversation, f"{kind} before conversation.item.added")
        if kind.startswith("response.function_call_arguments"):
            self._arguments(output, event)
            return
        if output.item["status"] == "in_progress" and kind == "response.content_part.added":
            self._need(event["content_index"] == len(output.parts), "a wrong content_index")
            output.parts[event["content_index"]] = _Part(event["part"]["type"])
            return
        self._need(event["content_index"] in output.parts, f"{kind} of no content part")
        part = output.parts[event["content_index"]]
        self._need("response.content_part.done" not in part.done, f"{kind} of a closed part")
        stream = kind.rpartition(".")[0]
        self._need(stream + ".done" not in part.done, f"{kind} after its end")
        if kind.endswith(".delta"):
            self._delta(part, event)
        else:
            self._part_done(part, event)

    def _delta(self, part: _Part, event: Event) -> None:
        self._need(event["delta"] != "", "an empty delta")
        if event["type"] == "response.output_audio.delta":
            self._need(part.kind == "audio", "sound in a text")
            size = len(base64.b64decode(event["delta"], validate=True))
            self._need(0 < size <= LONGEST_DELTA, f"{size} bytes of sound in one delta")
        else:
            of = {"response.output_text.delta": "text"}.get(event["type"], "audio")
            self._need(part.kind == of, "words of the wrong kind")
            part.text += event["delta"]

    def _part_done(self, part: _Part, event: Event) -> None:
        kind = event["type"]
        part.done.add(kind)
        if kind == "response.output_text.done":
            self._need(event["text"] == part.text, "the text is unlike its deltas")
        elif kind == "response.output_audio_transcript.done":
            self._need(event["transcript"] == part.text, "the transcript is unlike its deltas")
        elif kind == "response.content_part.done":
            streams = {"text": {"response.output_text.done"}}.get(
                part.kind, {"response.output_audio.done", "response.output_audio_transcript.done"}
            )
            self._need(streams <= part.done, "a part is done before its streams")
            told = event["part"]["text" if part.kind == "text" else "transcript"]
            self._need(told == part.text, "the part's text is unlike its deltas")

    def _arguments(self, output: _Output, event: Event) -> None:
        self._need(output.item["type"] == "function_call", "arguments of a message")
        self._need(event["call_id"] == output.item["call_id"], "arguments of another call")
        self._need(not output.arguments_done, "arguments after their end")
        if event["type"].endswith(".delta"):
            output.arguments += event["delta"]
            return
        self._need(event["arguments"] == output.arguments, "arguments unlike their deltas")
        self._need(event["name"] == output.item["name"], "another function")
        json.loads(event["arguments"])
        output.arguments_done = True
