"""SmolLM2 as a provider: what it reads, forgets and costs, in virtual time."""

import asyncio
import json
import threading
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxlab.clock import run_real, run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolChoice, ToolSpec
from voxlab.providers.rule_based.phrases import phrasings
from voxlab.providers.smollm import language_model
from voxlab.providers.smollm.caches import CONVERSATIONS
from voxlab.providers.smollm.decoder import CHUNK, LONGEST, Read, SmolLMDecoder
from voxlab.providers.smollm.grammar import WORDS_AT_MOST
from voxlab.providers.smollm.language_model import CHOOSE_S, FORGETS, SmolLM
from voxlab.providers.smollm.likelihood import score_phrasings, scored_tokens
from voxlab.providers.smollm.prompt import END, render_prompt
from voxlab.providers.smollm.tokenizer import load_tokenizer

pytestmark = pytest.mark.slow

SYSTEM = Message("system", "You are the voice agent of a shop. " * 10)
ASKED = [SYSTEM, Message("user", "Where is my order, four eight two one three?")]
FIND = ToolSpec("find", "Find an order.", {"type": "object", "properties": {"number": {}}})
ONE_TOKEN_S = Read(1, LONGEST, 0).cost_s + CHOOSE_S


class RandomDecoder(SmolLMDecoder):
    """A network with random logits that depend on all tokens before, so that its cache counts."""

    def __init__(self, adapter=None, threads=1):
        self.longest = LONGEST
        self.tokens = []
        self._lock = threading.Lock()
        self._cache = []

    def _run(self, tokens, wanted):
        self.check_length(tokens)
        before = len(self.tokens) + 1
        self.tokens += tokens
        lengths = range(before, len(self.tokens) + 1)
        return np.array([self._logits(lengths[n]) for n in wanted])

    def _logits(self, length):
        rng = np.random.default_rng(self.tokens[:length])
        logits = rng.normal(size=len(load_tokenizer().spelled)).astype(np.float32)
        logits[load_tokenizer().special[END]] += 5 * (rng.random() < 0.1)
        return logits


@pytest.fixture
def llm(monkeypatch):
    load_tokenizer()
    monkeypatch.setattr(language_model, "SmolLMDecoder", RandomDecoder)
    return SmolLM()


async def answer(llm, messages, tools=(), **choice):
    """Return the answer as text, its calls, and when its first and last part came."""
    loop = asyncio.get_running_loop()
    began_s, times, parts = loop.time(), [], []
    async for part in llm.stream(messages, tools, ToolChoice(**choice)):
        parts.append(part)
        times.append(loop.time() - began_s)
    text = "".join(part.text for part in parts if isinstance(part, TextDelta))
    return text, [part for part in parts if isinstance(part, ToolCall)], times


def test_a_call_in_virtual_time_repeats(llm):
    async def call():
        await llm.warm_up()
        await llm.read_ahead([SYSTEM], [FIND])
        first = await answer(llm, ASKED, [FIND])
        return first, await answer(llm, [*ASKED, Message("user", "Hello?")], [FIND])

    assert run_virtual(call()) == run_virtual(call())


def test_what_is_read_ahead_is_not_waited_for_and_the_answer_is_the_same(llm):
    async def call(*ahead):
        for text in ahead:
            await llm.read_ahead([SYSTEM, Message("user", text)], [])
        return await answer(llm, ASKED)

    text, _, times = run_virtual(call())
    same, _, sooner = run_virtual(call("Where is", "Where is my order, four eight"))
    assert same == text
    assert sooner[0] < 0.3 * times[0]


def test_a_turn_costs_what_is_new_in_it(llm):
    async def call():
        said, _, times = await answer(llm, ASKED)
        more = [*ASKED, Message("assistant", said), Message("user", "And now?")]
        return times, (await answer(llm, more))[2]

    first, second = run_virtual(call())
    assert second[0] < first[0] - Read(60, 0, 0).cost_s  # the system message's tokens


def test_a_barge_in_stops_the_answer_between_two_tokens(llm):
    whole, _, came_s = run_virtual(answer(llm, ASKED))

    async def call():
        heard = []

        async def listen():
            async for part in llm.stream(ASKED, []):
                heard.append(part.text)

        task = asyncio.create_task(listen())
        await asyncio.sleep((came_s[1] + came_s[2]) / 2)
        task.cancel()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await task
        return heard, asyncio.get_running_loop().time() - began_s, await answer(llm, ASKED)

    heard, took_s, (text, _, times) = run_virtual(call())
    assert len(heard) == 2
    assert took_s == 0  # in real time the run that is on ends, and nobody waits for it
    assert text == whole
    assert times[0] < ONE_TOKEN_S  # what was read is not lost


def test_an_answer_that_is_not_read_to_its_end_gives_its_cache_back(llm):
    async def call():
        async with aclosing(llm.stream(ASKED, [])) as parts:
            await anext(parts)
        return (await answer(llm, ASKED))[2]

    assert run_virtual(call())[0] < ONE_TOKEN_S


def test_conversations_side_by_side_do_not_forget_each_other(llm):
    others = [[SYSTEM, Message("user", f"{n} {'and more ' * 40}")] for n in range(4)]

    async def call():
        for other in others:
            await answer(llm, other)
        return [(await answer(llm, other))[2][0] for other in others]

    assert all(first_s < ONE_TOKEN_S for first_s in run_virtual(call()))


def test_a_new_conversation_begins_with_what_another_has_read_of_the_same_system_message(llm):
    async def call():
        await answer(llm, [SYSTEM, Message("user", "one " * 80)])
        return (await answer(llm, ASKED))[2][0]

    assert run_virtual(call()) < 0.5 * run_virtual(answer(llm, ASKED))[2][0]


def test_the_event_loop_does_not_wait_for_a_run_of_another_conversation(llm):
    class Noted:
        def __enter__(self):
            waited_in.append(threading.current_thread())

        def __exit__(self, *_):
            pass

    async def call():
        await answer(llm, [SYSTEM, Message("user", "one " * 80)])
        for decoder in llm._caches[asyncio.get_running_loop()]._free:
            decoder._lock = Noted()
        await llm.read_ahead(ASKED, [])
        return threading.current_thread()

    waited_in = []
    assert run_real(call()) not in waited_in
    assert waited_in


def test_so_many_conversations_are_kept_and_no_more(llm):
    async def call():
        for n in range(CONVERSATIONS + 3):
            await answer(llm, [SYSTEM, Message("user", f"{n} {'and more ' * 40}")])
        return len(llm._caches[asyncio.get_running_loop()]._free)

    assert run_virtual(call()) == CONVERSATIONS


def test_a_tool_that_is_required_is_called(llm):
    text, (call,), _ = run_virtual(answer(llm, ASKED, [FIND], required=True))
    assert (text, call.name) == ("", "find")
    assert set(call.arguments) <= {"number"}


@pytest.mark.parametrize("name", ["find", "hold", "sell"])
def test_where_no_tool_is_likely_enough_the_likelihood_of_the_callers_words_decides(
    llm, name, monkeypatch
):
    tools = [
        replace(FIND, name=each, description=f"{each} it") for each in ("find", "hold", "sell")
    ]
    asked = []

    async def score_tools(words, tools):
        asked.append(words)
        return {tool.name: 0.0 if tool.name == name else -100.0 for tool in tools}

    channel = SmolLM()
    doubting = SmolLM(channel=channel)
    alone_s = run_virtual(answer(llm, ASKED, tools, required=True))[2][-1]
    scores = run_virtual(channel.score_tools("Sell it.", tools[:2]))
    assert {*scores} == {"find", "hold"}
    assert run_virtual(answer(doubting, ASKED, tools, required=True))[2][-1] > alone_s
    monkeypatch.setattr(channel, "score_tools", score_tools)
    _, (call,), _ = run_virtual(answer(doubting, ASKED, tools, required=True))
    assert call.name == name
    assert {*asked} == {ASKED[-1].text}
    long_call = [Message("user", f"{n} {'word ' * 200}") for n in range(20)]
    run_virtual(answer(doubting, long_call, tools, required=True))
    assert len(load_tokenizer().encode(asked[-1])) < LONGEST / 4


def test_a_long_call_forgets_its_beginning_but_not_its_instructions(llm):
    turns = [Message("user", f"Turn {n}: {'word ' * 50}") for n in range(60)]

    async def call():
        await answer(llm, [SYSTEM, *turns])
        return (await answer(llm, [SYSTEM, *turns, Message("user", "Yes?")]))[2]

    assert run_virtual(call())[0] < 0.1  # and the same beginning as a turn before
    assert len(turns) > FORGETS


def test_a_long_call_leaves_room_for_tool_arguments_of_spelled_digits(llm, monkeypatch):
    digit = load_tokenizer().encode("7")

    def spell_digits(decoder, length):
        return np.eye(1, len(load_tokenizer().spelled), *digit, dtype=np.float32)[0]

    monkeypatch.setattr(RandomDecoder, "_logits", spell_digits)
    find = ToolSpec("find", "Find it.", {"properties": {"order": {}, "phone": {}, "account": {}}})
    for words in range(26, 38, 2):  # some prompts are nearly too long
        turns = [Message("user", "word " * words)] * FORGETS * 3
        _, (call,), _ = run_virtual(answer(llm, [SYSTEM, *turns], [find], required=True))
        assert [len(value) for value in call.arguments.values()] == [WORDS_AT_MOST] * 3


def test_a_turn_that_no_cache_can_hold_is_refused(llm):
    with pytest.raises(ProviderError, match="shorten the conversation"):
        run_virtual(answer(llm, [SYSTEM, Message("user", "word " * LONGEST)]))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ('{"sky": "clear"}', "Here is what I found: sky clear."),
        ("18 degrees", "Here is what I found: 18 degrees."),
        ('{"error": "out of paper"}', "I'm sorry, the system does not answer at the moment."),
    ],
)
def test_results_of_a_reader_s_own_tool_are_told_by_rules(llm, result, words):
    asked = Message("assistant", "", (ToolCall("call_1", "find", {"order_id": "12"}),))
    told = Message("tool", result, tool_call_id="call_1")
    text, calls, _ = run_virtual(answer(llm, [*ASKED, asked, told], [FIND]))
    assert text.startswith(words)
    assert not calls


OFFERED = ["One is free.", "There is one that is free.", "I have found one that is free."]


async def chosen(llm, messages, offered=OFFERED):
    """Return the phrasing that the model chooses, and how long that took."""
    began_s = asyncio.get_running_loop().time()
    said = await llm.choose(messages, [FIND], offered)
    return said, asyncio.get_running_loop().time() - began_s


def test_a_choice_is_that_of_the_likelihoods_and_depends_on_the_conversation(llm):
    said = set()
    for n in range(6):
        messages = [Message("user", f"Is there one for {n}?")]
        scores = score_phrasings(RandomDecoder(), OFFERED, render_prompt(messages, [FIND]))
        choice, _ = run_virtual(chosen(llm, messages))
        assert scores[choice] == max(scores.values())
        said.add(choice)
    assert len(said) > 1


def test_a_choice_costs_a_short_run_for_each_phrasing_behind_what_was_read(llm):
    async def call():
        await answer(llm, ASKED, [FIND])
        return await chosen(llm, ASKED)

    scored = scored_tokens(OFFERED)
    after = len(load_tokenizer().encode(render_prompt(ASKED, [FIND]))) - 1
    costs_s = [Read(len(tokens), after, 0).cost_s for tokens in scored]
    assert run_virtual(call())[1] == pytest.approx(sum(costs_s))


def test_a_phrasing_without_another_is_not_weighed(llm):
    assert run_virtual(chosen(llm, ASKED, OFFERED[:1])) == (OFFERED[0], 0)


def test_the_first_phrasing_is_said_where_the_conversation_leaves_no_room(llm):
    too_long = [Message("user", "word " * LONGEST)]
    assert run_virtual(chosen(llm, too_long)) == (OFFERED[0], 0)


def test_a_choice_can_be_cancelled_between_two_phrasings(llm):
    async def call():
        await llm.read_ahead(ASKED, [FIND])
        whole_s = (await chosen(llm, ASKED))[1]
        task = asyncio.create_task(chosen(llm, ASKED))
        await asyncio.sleep(whole_s / 2)
        task.cancel()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time() - began_s, await chosen(llm, ASKED)

    took_s, (again, _) = run_virtual(call())
    assert took_s == 0
    assert again == run_virtual(chosen(llm, ASKED))[0]


@given(
    st.sampled_from(["book_table", "change_reservation", "cancel_reservation"]),
    st.fixed_dictionaries(
        {
            "day": st.sampled_from(["Monday", "Friday"]),
            "time": st.builds("{}:30".format, st.integers(1, 23)),
            "party_size": st.integers(1, 12),
        }
    ),
)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_chosen_a_result_is_told_with_its_values(llm, tool, result):
    asked = Message("assistant", "", (ToolCall("call_1", tool, {}),))
    told = Message("tool", json.dumps(result), tool_call_id="call_1")
    said, calls, _ = run_virtual(answer(llm, [*ASKED, asked, told], [FIND]))
    assert said in phrasings(tool, {}, result)
    assert not calls


def test_a_prompt_is_read_in_runs_that_a_cancellation_need_not_wait_for_long(llm):
    assert Read(CHUNK, LONGEST, 0).cost_s < 0.35


def test_the_fetched_network_answers_in_a_call():
    text, calls, _ = run_virtual(
        answer(
            SmolLM(),
            [
                Message("system", "Answer in one short sentence."),
                Message("user", "What is the capital of France?"),
            ],
        )
    )
    assert text == "The capital of France is Paris."
    assert not calls


def test_a_conversation_that_is_too_long_is_read_ahead_as_it_will_be_answered(llm):
    turns = [Message("user", "Where is my order? " * 8), Message("assistant", "Soon. " * 8)] * 40
    said = [SYSTEM, *turns, Message("user", "And when does it arrive, please?")]

    async def call(*ahead):
        for messages in ahead:
            await llm.read_ahead(messages, [])
        return await answer(llm, said)

    text, _, times = run_virtual(call())
    same, _, sooner = run_virtual(call(said))
    assert same == text
    assert sooner[0] < 0.3 * times[0]
