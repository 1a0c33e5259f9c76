"""What clients write is not in a server's log: a word of its own in each place they can fill."""

import asyncio
import json
import logging

import pytest
import websockets
from raw_sip_peer import OFFER, with_peer
from realtime_client import WEATHER_TOOL, engines, session
from telephone_parties import Silent
from websockets.exceptions import InvalidStatus
from worker_calls import ask

from voxlab.clock import run_real, run_virtual
from voxlab.errors import missing_extra
from voxlab.serving.realtime.protocol.errors import fault
from voxlab.serving.realtime.transport.server import serving
from voxlab.serving.twilio import TwilioOptions, serving_twilio
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.telephony.twilio import Connected, Mark, Start, from_twilio


@pytest.fixture
def log(caplog):
    """All that the command line's servers log with --verbose."""
    caplog.set_level(logging.INFO, "voxlab")
    return caplog


class Words:
    """Words that stand nowhere else."""

    def __init__(self):
        self.given = []

    def __call__(self):
        self.given.append(f"Ilmenau{len(self.given)}")
        return self.given[-1]

    def check(self, log, *seen):
        """Hold that these things are in the log, and none of the words is."""
        assert [text for text in seen if text not in log.text] == []
        assert [word for word in self.given if word in log.text] == []


# --- Realtime -------------------------------------------------------------------------------


def item(**fields):
    return {"type": "conversation.item.create", "item": fields}


def wrong_events(word):
    """Return events with texts in every place; all but one are refused."""
    tool = {**WEATHER_TOOL, "name": word(), "description": word(), "parameters": word()}
    return [
        {"type": word()},
        {"type": "response.cancel", "response_id": word(), "event_id": word()},
        {"type": "session.update", "session": {"type": "realtime", word(): 1}},
        {"type": "session.update", "session": {"type": "realtime", "tools": [tool]}},
        {"type": "session.update", "session": {"type": "realtime", "tool_choice": word()}},
        {"type": "session.update", "session": {"type": word(), "instructions": word()}},
        {"type": "input_audio_buffer.append", "audio": word() + "*"},
        {"type": "conversation.item.retrieve", "item_id": word()},
        {"type": "conversation.item.truncate", "item_id": word(), "content_index": word()},
        item(type="message", role=word(), content=[{"type": "input_text", "text": word()}]),
        item(type="message", role="user", content=[{"type": word(), word(): word()}]),
        item(type="function_call_output", call_id=word(), output={word(): word()}),
        item(type="function_call", call_id=word(), name=word(), arguments=[word()]),
        {"type": "response.create", "response": {"conversation": word(), "metadata": word()}},
        {"type": "response.create", "response": {"output_modalities": [word()]}},
    ]


def test_a_realtime_log_has_the_codes_of_errors_and_no_text_of_the_client_who_gets_it_all(log):
    word = Words()

    async def main():
        async with session() as client:
            for event in wrong_events(word):
                await client.raw(json.dumps(event))
            await client.raw("{" + word())
            await client.rest()
            return client.of("error")

    errors = run_virtual(main())
    assert len(errors) == 15  # a tool may be called, and take, whatever it likes
    told = json.dumps(errors)
    assert sum(w in told for w in word.given) > 8
    word.check(log, "error unknown_parameter", "error invalid_json")


def test_an_answered_session_leaves_no_word_in_the_log(log):
    word = Words()

    async def main():
        async with session(engines([word(), word()], [word()])) as client:
            await client.update(instructions=word(), tools=[WEATHER_TOOL])
            await client.ask(word())
            call = {"type": "function_call", "call_id": "c1", "name": "get_weather"}
            await client.send("conversation.item.create", item={**call, "arguments": word()})
            output = {"type": "function_call_output", "call_id": "c1", "output": word()}
            await client.send("conversation.item.create", item=output)
            await client.send("response.create", response={"instructions": word()})
            await client.rest()
            return json.dumps(client.events)

    told = run_virtual(main())
    assert word.given[0] in told
    word.check(log)


def test_a_fault_of_our_own_is_logged_by_its_kind_and_place(log):
    word = Words()
    said = word()
    with pytest.raises(ValueError, match=said) as raised:
        raise ValueError(said)
    assert said in str(fault(raised.value))
    word.check(log, "ValueError at", f"{__file__}:")


def test_who_opens_a_session_leaves_no_word_in_the_log(log):
    word = Words()

    async def main():
        async with serving(lambda: engines()) as server:
            headers = {"Authorization": f"Bearer {word()}", "User-Agent": word()}
            for model in (f"realtime-{word()}", word()):
                url = f"{server.url}?model={model}&x={word()}"
                async with websockets.connect(url, additional_headers=headers) as socket:
                    await socket.recv()
            for path in ("/client_secrets", "/" + word()):
                await ask(server.http_url + path, "POST", f"Authorization: Bearer {word()}\r\n")

    run_real(main())
    word.check(log, "opened by 127.0.0.1", "invalid_model", "404 unknown_url")


# --- Twilio ---------------------------------------------------------------------------------


def broken_messages(word):
    """Return messages that Twilio's protocol does not have, with a text in each place."""
    start = json.loads(from_twilio(Start("MZ1", "CA1"), 1, "MZ1"))
    start["start"]["mediaFormat"] = {"encoding": word()}
    return [
        word(),
        json.dumps([word()]),
        json.dumps({"event": {word(): 1}}),
        json.dumps({"event": "media", "media": word()}),
        json.dumps({"event": "media", "media": {"payload": word() + "*"}}),
        json.dumps({"event": "media", "media": {"payload": "", "chunk": word()}}),
        json.dumps({"event": "dtmf", "dtmf": {word(): word()}}),
        json.dumps({"event": "mark", "mark": {"name": [word()]}}),
        json.dumps(start),
        from_twilio(Start("../" + word(), "CA1"), 1, "MZ1"),
    ]


class Failing:
    """An agent that fails over what its caller is called."""

    def __init__(self, start):
        self._start = start

    async def run(self, line):
        raise KeyError(*self._start.parameters.values())


def test_a_twilio_log_has_no_text_of_a_stream(log):
    word = Words()
    started = Start("MZ1", "CA1", parameters={"language": word(), word(): word()})
    before = [from_twilio(Connected(), 0, "MZ1"), from_twilio(started, 1, "MZ1")]

    async def send(server, messages):
        async with websockets.connect(server.url) as socket:
            for message in messages:
                await socket.send(message)
            async for _ in socket:
                pass

    async def main():
        for agent in (lambda start: Silent(), Failing):
            async with serving_twilio(agent, TwilioOptions()) as server:
                for broken in broken_messages(word):
                    await send(server, [broken])
                    await send(server, [*before, from_twilio(Mark(word()), 2, "MZ1"), broken])

    run_real(main())
    word.check(log, "a stream that did not begin", "does not have", "the agent failed")


# --- SIP ------------------------------------------------------------------------------------


def test_a_sip_log_has_no_header_and_no_line_of_an_offer(log):
    pytest.importorskip("aiosipua", reason=missing_extra("sip"))
    word = Words()

    def head(method, number, offer, **wrong):
        lines = {
            "Via": f"SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK{number};x={word()}",
            "From": f'"{word()}" <sip:{word()}@127.0.0.1:6000>;tag=1;x={word()}',
            "To": f'"{word()}" <sip:{word()}@127.0.0.1>',
            "Call-ID": f"raw{number}",
            "CSeq": f"{number} {method}",
            "Contact": f'"{word()}" <sip:{word()}@127.0.0.1:6000>',
            "Accept-Language": word(),
            "User-Agent": word(),
            "Subject": word(),
            "X-Own": word(),
            "Content-Type": "application/sdp",
            "Content-Length": str(len(offer)),
            **wrong,
        }
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        return f"{method} sip:{word()}@127.0.0.1 SIP/2.0\r\n{fields}\r\n{offer}"

    offers = [
        OFFER + f"s={word()}\r\na=x:{word()}\r\n",
        OFFER.replace("AVP 0", f"AVP 96\r\na=rtpmap:96 {word()}/8000"),
        OFFER.replace("AVP 0", f"AVP {word()}"),
        OFFER.replace("127.0.0.1", f"127.0.0.1 {word()}"),
        OFFER + word(),
        OFFER + f"a=rtpmap:{word()}\r\n",
    ]
    wrong = [
        {"CSeq": word()},
        {"Via": word()},
        {"From": word()},
        {"Contact": word()},
        {"Content-Length": word()},
        {word(): word()},
    ]

    async def act(peer, network):
        for number, offer in enumerate(offers):
            peer.send(head("INVITE", number, offer))
        for number, fields in enumerate(wrong, 50):
            peer.send(head("INVITE", number, OFFER, **fields))
        peer.send(head(word(), 99, ""))
        peer.send(word())
        await asyncio.sleep(1.0)

    with_peer(act)
    word.check(log, "begins with PCMU", "no codec of the offer", "refused a call", "no SIP")


# --- workers --------------------------------------------------------------------------------


def test_a_fronts_log_has_no_text_of_who_joins_or_calls(log):
    word = Words()

    async def main():
        async with serving_front("twilio", FrontOptions(worker_token="right", key="k")) as front:
            url = front.url.replace("http", "ws") + "/join"
            for message in (word(), json.dumps({"load": {word(): word()}}), json.dumps([word()])):
                headers = {"Authorization": "Bearer right"}
                async with websockets.connect(url, additional_headers=headers) as liar:
                    await liar.send(message)
                    await liar.wait_closed()
            headers = {"Authorization": f"Bearer {word()}"}
            with pytest.raises(InvalidStatus, match="401"):
                await websockets.connect(url, additional_headers=headers)
            await ask(front.url + "/calls", "POST", f"Authorization: Bearer {word()}\r\n")
            await ask(front.url + "/" + word())
            await ask(front.url + f"/voice?language={word()}&From={word()}")

    run_real(main())
    word.check(log, "a worker says what none says", "all_lines_busy")
