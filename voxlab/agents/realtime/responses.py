"""The speaking half of a realtime agent: responses, tools, barge-in, and what was said.

A reply is all that answers one turn of the caller: a response, the tools that it calls, the
response to their results. It is over when nothing of it is being made, run or played.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.realtime.protocol import JsonObject, decode_audio
from voxlab.agents.realtime.resumption import CallItems, Entry
from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings
from voxlab.agents.tools import UNFINISHED, Toolbox
from voxlab.agents.utterance import Played
from voxlab.errors import ProviderError
from voxlab.providers.protocols import ToolCall
from voxlab.turn_taking.manager import State

PAUSE_S = 0.2  # between two messages that follow each other without a gap
BUSY = "conversation_already_has_active_response"
HARMLESS = (BUSY, "response_cancel_not_active")  # both sides acted at once

HANDLED = {
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_item.done",
    "response.done",
    "conversation.item.added",
    "error",
}


class Replying:
    """Follows the responses of one call, over all of its connections.

    send: puts an event on its way; it is lost if there is no connection, which `resume` makes good.
    spawn: starts a task of the call.
    """

    def __init__(
        self,
        line: Line,
        tools: Toolbox,
        setup: tuple[RealtimeSettings, RealtimeOptions],
        send: Callable[[JsonObject], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._line = line
        self._tools = tools
        self._settings, self._options = setup
        self._send = send
        self._spawn = spawn
        self._playback = Playback(
            line, self._on_started, self._on_silent, self._settle, pause_s=PAUSE_S, in_samples=True
        )
        self.conversation = CallItems()
        self.user_speaks = False
        self._state = State.LISTENING
        self._active: str | None = None  # the response that is being made
        self._text = ""  # what it says so far
        self._requested = False  # a response was asked for, and has not begun
        self._dropped: set[str] = set()  # responses that the caller has spoken over
        self._here: set[str] = set()  # messages that this session knows
        self._running = 0  # rounds of tools that are not done
        self._rounds = 0  # of this reply
        self._outputs = 0
        self._returned: set[str] = set()  # results on their way to the server
        self._unanswered: set[str] = set()  # results there that no response has read
        self._heard: list[str] = []  # of this reply
        self._failures = 0
        self._ends_call = False

    # --- the caller ---------------------------------------------------------------------------

    def user_started(self) -> None:
        """The caller begins to speak: fall silent, and tell the server what was heard."""
        self.user_speaks = True
        self._drop("the caller speaks")

    def turn_committed(self, *, is_answered: bool) -> None:
        """The caller's turn is over. is_answered: the server makes a response by itself."""
        self.user_speaks = False
        self._rounds = 0
        self._become(State.THINKING, "committed")
        self._requested = is_answered
        if not is_answered:
            self.ask()

    def ask(self, **response: str) -> None:
        """Ask for a response. response: settings of its own, such as instructions."""
        self._requested = True
        self._send({"type": "response.create", "event_id": "ask", "response": response})

    def _ask_after_tools(self) -> None:
        """Ask for an answer to results; after too many rounds, for one that calls no tool."""
        most = self._options.max_rounds
        if self._rounds > most:
            raise ProviderError(
                f"the model called a tool in round {self._rounds}, though only {most} rounds may"
            )
        if self._rounds < most:
            self.ask()
        else:
            self._line.record("llm", "failed", error=f"no answer after {most} rounds of tools")
            self.ask(tool_choice="none")

    def close(self) -> None:
        """The call is over."""
        self._drop("the call is over")

    def _drop(self, why: str) -> None:
        """Stop what is being said; what nobody heard has not been said."""
        was_open = bool(self._active or self._heard or not self._playback.idle)
        cut = self._playback.stop()
        if self._active is not None and self._active not in self._dropped:
            self._dropped.add(self._active)
            detection = self._settings.turn_detection
            if detection is None or not detection.interrupts:
                self._send({"type": "response.cancel", "response_id": self._active})
        for item in cut:
            self._settle(item)
        if was_open:
            unheard = " ".join(item.unheard for item in cut if item.unheard)
            heard = " ".join(self._heard)
            self._line.record("agent", "interrupted", heard=heard, unheard=unheard)
            self._say_heard()
            self._become(State.LISTENING, why)

    # --- the connection ---------------------------------------------------------------------

    def connection_lost(self, why: str) -> None:
        """Play what has come; of the rest, remember what has to be made again."""
        if self._active is not None:
            self._line.record("llm", "failed", id=self._active, error=why)
        open_ids = self._playback.open_ids
        for item_id in open_ids:  # it will come again, whole
            self.conversation.forget(item_id)
        self.conversation.forget_unwritten()
        for item_id in open_ids:
            self._playback.complete(item_id, is_broken=True)
        self._active, self._requested, self.user_speaks = None, False, False
        self._returned.clear()
        self._unanswered.clear()
        self._dropped.clear()
        self._here.clear()

    def resume(self) -> None:
        """Go on in a new session, which knows the conversation."""
        self._returned.clear()
        if self.conversation.awaits_answer and not self._running:
            self.ask()
        else:
            self._finish()

    # --- the server -------------------------------------------------------------------------

    def on_event(self, event: JsonObject) -> None:
        """Take an event of the server; those that are about something else are passed over."""
        if event["type"] in HANDLED:
            getattr(self, "_" + event["type"].replace(".", "_"))(event)

    def _response_created(self, event: JsonObject) -> None:
        response = event["response"]
        if response.get("conversation_id") is None:  # out of band: somebody else's
            return
        self._active, self._text, self._requested = response["id"], "", False
        self._unanswered.clear()
        self._line.record("llm", "request", id=self._active)
        if self.user_speaks:  # we asked for it as the caller began to speak
            self._dropped.add(response["id"])
            self._send({"type": "response.cancel", "response_id": response["id"]})
        elif not self._playback.audible:
            self._become(State.THINKING, "response.created")

    def _is_ours(self, event: JsonObject) -> bool:
        is_active = event["response_id"] == self._active
        return is_active and self._active not in self._dropped

    def _response_output_item_added(self, event: JsonObject) -> None:
        if event["response_id"] == self._active and event["item"]["type"] == "message":
            self._here.add(event["item"]["id"])
            self.conversation.add(Entry(event["item"]["id"], "assistant"))

    def _response_content_part_added(self, event: JsonObject) -> None:
        if self._is_ours(event) and event["part"].get("type") == "audio":
            self._line.record("tts", "request", id=event["item_id"], text="")
            self._playback.open(event["item_id"], event["content_index"])

    def _response_output_audio_transcript_delta(self, event: JsonObject) -> None:
        if self._is_ours(event):
            self._add_text(event["delta"])
            self._playback.say(event["item_id"], event["delta"])

    def _response_output_text_delta(self, event: JsonObject) -> None:
        if self._is_ours(event):
            self._add_text(event["delta"])

    def _add_text(self, delta: str) -> None:
        if not self._text:
            self._line.record("llm", "first_token", id=self._active)
        self._text += delta

    def _response_output_audio_delta(self, event: JsonObject) -> None:
        if self._is_ours(event):
            came_s = self._line.now_s
            if self._playback.play(event["item_id"], decode_audio(event["delta"])):
                self._line.record_at(came_s, "tts", "first_audio", id=event["item_id"])

    def _response_output_audio_done(self, event: JsonObject) -> None:
        if event["response_id"] == self._active:
            self._line.record("tts", "done", id=event["item_id"])

    def _response_output_item_done(self, event: JsonObject) -> None:
        item = event["item"]
        self._playback.complete(item["id"], is_broken=item.get("status") == "incomplete")

    def _response_done(self, event: JsonObject) -> None:
        response = event["response"]
        if response["id"] != self._active:
            return
        self._active = None
        if response["status"] == "failed":
            self._on_failure(response)
        elif response["status"] == "completed" and not response["output"]:
            said = "the response is empty: no words, no tool"
            self._line.record("llm", "failed", id=response["id"], error=said)
        else:
            self._failures = 0
            self._line.record("llm", "done", id=response["id"], text=self._text)
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        calls = [item for item in calls if item.get("status") == "completed"]
        if response["id"] in self._dropped:
            self._take_back(response, calls)
        else:
            if self._settings.modality == "text" and self._text:
                self._heard.append(self._text)
            if calls:
                self._running += 1
                self._rounds += 1
                self._spawn(self._run_tools(calls))
        self._answer_results()
        self._finish()

    def _on_failure(self, response: JsonObject) -> None:
        """Ask once more; a second failure in a row ends the call."""
        error = (response.get("status_details") or {}).get("error") or {}
        said = f"{error.get('code') or 'failed'}: {error.get('message') or 'no reason was given'}"
        self._line.record("llm", "failed", id=response["id"], error=said)
        self._failures += 1
        if self._failures >= self._options.failures:
            raise ProviderError(f"{self._failures} responses in a row failed ({said})")
        if not self.user_speaks:
            self.ask()

    def _take_back(self, response: JsonObject, calls: Sequence[JsonObject]) -> None:
        """What a dropped response has made since then was not heard; its calls are not run."""
        self._dropped.discard(response["id"])
        for item in response["output"]:
            is_untold = item["id"] in self._here and self.conversation.wire_of(item["id"]) is None
            if is_untold and item["type"] == "message" and self._settings.modality == "audio":
                self._truncate(item["id"], 0, 0.0)
        for call in calls:
            self._note_call(call)
            self._return(call["call_id"], UNFINISHED)

    def _conversation_item_added(self, event: JsonObject) -> None:
        if event["item"]["id"] in self._returned:
            self._returned.remove(event["item"]["id"])
            self._unanswered.add(event["item"]["id"])

    def _error(self, event: JsonObject) -> None:
        error = event["error"]
        if error.get("event_id") == "ask" or error.get("code") == BUSY:
            self._requested = False
        if error.get("code") not in HARMLESS:
            said = {name: error.get(name) for name in ("code", "message", "param")}
            self._line.record("transport", "refused", **said)

    # --- tools ------------------------------------------------------------------------------

    async def _run_tools(self, calls: Sequence[JsonObject]) -> None:
        """Run the calls of a response side by side, return the results, and ask for an answer."""
        for call in calls:
            self._note_call(call)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._run_tool(call)) for call in calls]
        self._running -= 1
        for call, task in zip(calls, tasks, strict=True):
            self._return(call["call_id"], task.result())
        if not (self._active or self._requested or self.user_speaks):
            self._ask_after_tools()

    async def _run_tool(self, call: JsonObject) -> str:
        try:
            arguments = json.loads(call["arguments"] or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("no object")
        except ValueError as error:
            problem = f"the arguments are not a JSON object ({error}): call {call['name']} again"
            return json.dumps({"error": problem})
        made = ToolCall(call["call_id"], call["name"], arguments)
        timeout_s = self._options.tool_timeout_s
        result, ends_call = await self._tools.run_noted(made, self._line, timeout_s)
        self._ends_call |= ends_call
        return result

    def _note_call(self, call: Mapping[str, Any]) -> None:
        fields = {name: str(call[name]) for name in ("name", "call_id", "arguments")}
        self.conversation.add(Entry(call["id"], "function_call", "", fields))

    def _return(self, call_id: str, output: str) -> None:
        self._outputs += 1
        fields = {"call_id": call_id, "output": output}
        entry = Entry(f"result_{self._outputs}", "function_call_output", "", fields)
        self.conversation.add(entry)
        self._returned.add(entry.id)
        self._send({"type": "conversation.item.create", "item": entry.to_wire()})

    def _answer_results(self) -> None:
        """Ask for an answer to results that came while another response was being made."""
        if self._unanswered and not (self._requested or self.user_speaks):
            self._ask_after_tools()

    # --- what is heard ----------------------------------------------------------------------

    def _on_started(self) -> None:
        self._become(State.SPEAKING, "audible")

    def _on_silent(self) -> None:
        self._finish()
        if self._state is State.SPEAKING:
            self._become(State.THINKING, "silent")

    def _settle(self, item: Played) -> None:
        """Note what was heard of an item; the server's history must hold that and no more."""
        self._heard += [item.heard] if item.heard else []
        self.conversation.hear(item.id, item.heard)
        if item.id not in self._here:  # of a connection that was lost
            wire = self.conversation.wire_of(item.id)
            if wire is not None:
                previous = self.conversation.previous(item.id)
                self._send(
                    {
                        "type": "conversation.item.create",
                        "previous_item_id": previous,
                        "item": wire,
                    }
                )
        elif not item.is_whole:
            self._truncate(item.id, item.content_index, item.heard_s)

    def _truncate(self, item_id: str, content_index: int, heard_s: float) -> None:
        self._send(
            {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": content_index,
                "audio_end_ms": int(heard_s * 1000 + 1e-6),  # never beyond what came
            }
        )
        self._here.discard(item_id)

    def _finish(self) -> None:
        """The reply is over once nothing of it is being made, run or played."""
        unfinished = self._active or self._requested or self._running or self._unanswered
        if unfinished or not self._playback.idle:
            return
        self._say_heard()
        if self._state is not State.LISTENING:
            self._become(State.LISTENING, "the reply is over")
        if self._ends_call:
            self._line.hang_up("the agent handed the caller over")

    def _say_heard(self) -> None:
        if self._heard:
            self._line.record("agent", "said", text=" ".join(self._heard))
        self._heard.clear()

    def _become(self, state: State, why: str) -> None:
        if state is not self._state:
            self._line.record("turn", "state", was=self._state, now=state, why=why)
            self._state = state
