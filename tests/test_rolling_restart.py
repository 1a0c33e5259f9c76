"""A rolling restart of two worker processes in the middle of ten calls, over both protocols."""

import asyncio
import base64
import json
from contextlib import suppress

import numpy as np
import pytest
import websockets
from worker_calls import FRAME, FRAME_S, Phone, answers, ask, ask_for_call, run, workers
from worker_process import ANSWER, ANSWER_S, noise

from voxlab.audio import to_pcm16
from voxlab.telephony.g711 import MULAW
from voxlab.timeline import Call

QUESTION, PAUSE = 20, round((ANSWER_S + 0.4) / FRAME_S)  # frames
HEARD = "conversation.item.input_audio_transcription.completed"


class Questions:
    """What a caller does: they ask, wait for the whole answer, and ask again."""

    def __init__(self):
        self.asked = self.answered = 0
        self._frame = 0  # since the last question, or answer, began
        self.is_last = False

    @property
    def is_over(self):
        """Whether the last question has its answer, and its sound is over."""
        return self.is_last and self.asked == self.answered and self._frame >= PAUSE

    def speak(self, is_enough):
        """Return the number of the question's frame that comes next; None if nothing is said."""
        self._frame += 1
        if self.asked == self.answered and self._frame > PAUSE and not self.is_last:
            self.asked, self._frame, self.is_last = self.asked + 1, 0, is_enough
        return self._frame if self.asked > self.answered and self._frame < QUESTION else None

    def answer(self, count):
        """Note how many answers have been heard in all."""
        assert count <= self.asked
        if count > self.answered:
            self.answered, self._frame = count, 0


class Twilio(Phone):
    """A caller on the telephone."""

    def __init__(self, number, is_enough):
        super().__init__(f"CA{number}", number + 1)
        self.questions, self._is_enough = Questions(), is_enough
        self._answer = MULAW.encode(noise(0, ANSWER_S, 8000))

    def next_frame(self):
        self.questions.answer(len(spoken(self.heard)) // len(self._answer))
        frame = self.questions.speak(self._is_enough.is_set())
        return np.zeros(FRAME, np.float32) if frame is None else super().next_frame()

    async def call(self, front):
        """Hold a call until its last question is answered."""
        await self.hold(await ask_for_call(front), lambda: self.questions.is_over)

    def check(self, folder):
        """Hold what both sides heard against what was said; no sample may be missing."""
        call = Call.load(folder / self.name)
        assert self.closed_s is None
        assert call.timeline.end_reason == "the caller hung up"
        assert not call.timeline.select("transport", "gap")
        assert spoken(MULAW.encode(call.user.samples)) == spoken(b"".join(self.frames))
        assert spoken(self.heard) == self._answer * self.questions.asked
        committed = [event.data["text"] for event in call.timeline.select("turn", "commit")]
        assert len(committed) == self.questions.asked
        # on a busy machine a question may be heard in two parts
        words = " ".join(committed).split()
        assert words[1::2] == [f"{n + 1}?" for n in range(len(words) // 2)]
        said = [event.data["text"] for event in call.timeline.select("agent", "said")]
        assert said == [ANSWER] * self.questions.asked


def spoken(mulaw):
    """Return mu-law without its silence, of which a line has more or less than its ends."""
    return mulaw.translate(None, MULAW.encode(np.zeros(1, np.float32)))


class Realtime:
    """A client of the Realtime protocol."""

    def __init__(self, number, is_enough):
        self.questions, self._is_enough = Questions(), is_enough
        self._sound = noise(number + 1, QUESTION * FRAME_S, 24_000).reshape(QUESTION, -1)
        self.sent, self.heard, self.words, self.items = b"", b"", [], {}

    async def call(self, front):
        """Hold a session until its last question is answered and each item was looked at."""
        _, _, body = await ask(front.url + "/calls", "POST")
        url = json.loads(body)["url"] + "?model=gpt-realtime"
        async with websockets.connect(url, proxy=None) as socket:
            settings = {"transcription": {"model": "whisper-1"}}
            settings["turn_detection"] = {"type": "server_vad", "silence_duration_ms": 800}
            session = {"type": "realtime", "audio": {"input": settings}}
            await socket.send(json.dumps({"type": "session.update", "session": session}))
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(self._speak(socket))
                with suppress(StopAsyncIteration):
                    async for message in socket:
                        await self._take(json.loads(message), socket)
                        if speaking.done() and None not in self.items.values():
                            return

    async def _speak(self, socket):
        loop = asyncio.get_running_loop()
        began_s, number = loop.time(), 0
        while not self.questions.is_over:
            await asyncio.sleep(began_s + number * FRAME_S - loop.time())
            frame, number = self.questions.speak(self._is_enough.is_set()), number + 1
            sound = bytes(960) if frame is None else to_pcm16(self._sound[frame])
            self.sent += sound
            await self._send(socket, "input_audio_buffer.append", audio=encode(sound))
        for item_id in self.items:
            await self._send(socket, "conversation.item.retrieve", item_id=item_id)

    async def _send(self, socket, kind, **fields):
        await socket.send(json.dumps({"type": kind, **fields}))

    async def _take(self, event, socket):
        assert event["type"] != "error", event
        match event["type"]:
            case "input_audio_buffer.committed":
                self.items[event["item_id"]] = None
            case "conversation.item.retrieved":
                self.items[event["item"]["id"]] = event["item"]["content"][0]["audio"]
            case "response.output_audio.delta":
                self.heard += base64.b64decode(event["delta"])
            case "response.done":
                assert event["response"]["status"] == "completed"
                self.questions.answer(self.questions.answered + 1)
            case _ if event["type"] == HEARD:
                self.words.append(event["transcript"])

    def check(self, folder):
        """Hold what both sides heard against what was said; no sample may be missing."""
        asked = self.questions.asked
        assert self.words == [f"Question {n + 1}?" for n in range(asked)]
        assert self.heard == to_pcm16(noise(0, ANSWER_S, 24_000)) * asked
        assert len(self.items) == asked
        for audio in self.items.values():
            assert to_pcm16(self._sound.ravel()) in base64.b64decode(audio)
            assert base64.b64decode(audio) in self.sent


def encode(sound):
    return base64.b64encode(sound).decode()


def on(load):
    """Return how many calls are on."""
    return sum(each["active"] for each in load["workers"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["twilio", "realtime"])
def test_a_rolling_restart_in_the_middle_of_ten_calls_loses_no_frame_and_no_turn(kind, tmp_path):
    make = {"twilio": Twilio, "realtime": Realtime}[kind]

    async def main():
        is_enough = asyncio.Event()
        callers = [make(number, is_enough) for number in range(11)]
        first = callers[:10]
        async with workers(kind, tmp_path, 2, most_calls=6) as (front, processes):
            old = set(processes.pids)
            async with asyncio.TaskGroup() as group:
                for caller in first:
                    group.create_task(caller.call(front))
                loads = await answers(
                    front.url + "/load",
                    lambda status, load: on(load) == 10 and all(c.questions.asked for c in first),
                )
                assert sorted(load["active"] for load in loads["workers"]) == [5, 5]
                await processes.restart()
                before = [caller.questions.asked for caller in first]
                assert not old & set(processes.pids)
                group.create_task(callers[10].call(front))
                loads = await answers(front.url + "/load", lambda status, load: on(load) == 11)
                held = {load["pid"]: load["active"] for load in loads["workers"]}
                assert {pid: held[pid] for pid in old} == dict.fromkeys(old, 5)  # they drain
                is_enough.set()
        for caller, asked in zip(callers, [*before, 0], strict=True):
            assert caller.questions.asked > asked  # and a turn after it
        return callers

    for caller in run(main()):
        caller.check(tmp_path)
