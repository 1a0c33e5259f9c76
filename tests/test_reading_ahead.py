"""The pipeline lets a model that can read what was said before it has to answer."""

import asyncio
from dataclasses import replace

import pytest
from pipeline_calls import ANSWER, HELLO, NEXT, QUIET, Notebook, hold, tts

from voxlab.agents.pipeline.options import NO_HEAD_START
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Transcript
from voxlab.providers.scripted import ScriptedLLM

READS = replace(QUIET, head_start=replace(NO_HEAD_START, reads_ahead=True))


class PartialSTT:
    """Hears a beginning after half a second, and the whole text when the user pauses."""

    def __init__(self, *texts):
        self.texts = iter(texts)

    async def transcribe(self, audio):
        text = next(self.texts)
        await asyncio.sleep(0.5)
        yield Transcript(text.split()[0], is_final=False)
        async for _ in audio:
            pass
        yield Transcript(text, is_final=True)


class Reader(Notebook):
    """A language model that writes down what it was given to read, and what it has finished."""

    def __init__(self, *answers, takes_s=0.125, fails=False):
        super().__init__(ScriptedLLM(answers, first_token_s=0.25, token_s=1 / 16))
        self.takes_s, self.fails = takes_s, fails
        self.read, self.finished = [], []

    async def read_ahead(self, messages, tools):
        texts = [message.text for message in messages]
        self.read.append(texts)
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise ProviderError("cannot read")
        self.finished.append(texts)


def call(model, options=READS):
    stt = PartialSTT("Hi there.", "And now?")
    return hold([HELLO, NEXT], Providers(stt, model, tts()), options=options)


def test_the_model_reads_the_instructions_the_call_so_far_and_the_words_as_they_are_heard():
    model = Reader(ANSWER, "Now.")
    call(model)
    assert model.read == [
        ["Be brief."],  # the call begins
        ["Be brief."],  # the user begins to speak
        ["Be brief.", "Hi"],
        ["Be brief.", "Hi there.", ANSWER],
        ["Be brief.", "Hi there.", ANSWER, "And"],
    ]


def test_what_was_read_begins_what_is_asked():
    model = Reader(ANSWER, "Now.")
    call(model)
    asked = [[message.text for message in messages] for messages in model.asked]
    for texts in model.read:
        *before, last = texts
        longer = [each for each in asked if len(each) >= len(texts)]
        assert any(
            each[: len(before)] == before and each[len(before)].startswith(last) for each in longer
        )


def test_reading_is_stopped_when_there_is_more_to_read_or_an_answer_to_write():
    model = Reader(ANSWER, "Now.", takes_s=100.0)
    call(model)
    assert len(model.read) == 5
    assert model.finished == []


@pytest.mark.parametrize("fails", [False, True])
def test_reading_ahead_changes_no_answer_and_no_time(fails):
    still, ahead = Notebook(ScriptedLLM([ANSWER, "Now."], 0.25, 1 / 16)), Reader(ANSWER, "Now.")
    ahead.fails = fails
    assert list(call(ahead).timeline) == list(call(still).timeline)


def test_the_switch_turns_it_off():
    model = Reader(ANSWER, "Now.")
    call(model, QUIET)
    assert model.read == []
