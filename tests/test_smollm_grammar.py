"""Whatever a network would like, its tool call is legal; and each legal call can be written."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.providers.protocols import ToolSpec
from voxlab.providers.smollm.grammar import WORDS_AT_MOST
from voxlab.providers.smollm.prompt import END, render_call
from voxlab.providers.smollm.tokenizer import load_tokenizer
from voxlab.providers.smollm.writing import TOKENS_AT_MOST, Writing

NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(["book", "book_table", "day", "days"])
TOOLS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4, unique=True), min_size=1, max_size=4)


def specs(tools):
    """Return tools of these names, with arguments of these names."""
    return [
        ToolSpec(name, "", {"type": "object", "properties": {each: {} for each in arguments}})
        for name, arguments in tools.items()
    ]


def write(writing, rng):
    """Let a network of random likings write an answer; return its tokens."""
    tokens = []
    while not writing.done:
        allowed = writing.allowed()
        assert allowed.any()
        tokens += writing.choose(rng.normal(size=allowed.size).astype(np.float32))
    return tokens


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(tools=TOOLS, seed=st.integers(0, 2**32))
def test_a_random_network_calls_an_offered_tool_with_its_own_arguments(tools, seed):
    writing = Writing(load_tokenizer(), specs(tools), required=True)
    tokens = write(writing, np.random.default_rng(seed))
    ((name, arguments),) = json.loads(load_tokenizer().decode(tokens)).items()
    assert writing.call == (name, arguments)
    assert set(arguments) <= set(tools[name])
    assert all(isinstance(words, str) for words in arguments.values())
    assert all(0 < len(words.encode()) <= WORDS_AT_MOST for words in arguments.values())


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(tools=TOOLS, seed=st.integers(0, 2**32))
def test_rival_tokens_lead_to_the_tools_they_tell_and_a_sure_one_has_no_rivals(tools, seed):
    writing = Writing(load_tokenizer(), specs(tools), required=True)
    rng, told = np.random.default_rng(seed), {*tools}
    while not writing.done:
        logits = rng.normal(size=writing.allowed().size).astype(np.float32)
        if rivals := writing.rivals(logits):
            token, names = list(rivals.items())[rng.integers(len(rivals))]
            assert {*names} <= told
            told = {*names}
            logits[token] = 50.0
            assert not writing.rivals(logits)
        writing.choose(logits)
    assert writing.call[0] in told


WORDS = st.from_regex(r"[a-z0-9é€][a-z 0-9:.'@é€-]{0,30}", fullmatch=True)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(data=st.data(), tools=TOOLS)
def test_each_legal_call_can_be_written_as_it_would_be_tokenized(data, tools):
    tools = {name: arguments for name, arguments in tools.items() if name.isascii()}
    if not tools:
        return
    name = data.draw(st.sampled_from(sorted(tools)))
    chosen = data.draw(st.permutations([each for each in tools[name] if each.isascii()]))
    words = {each: data.draw(WORDS) for each in chosen[: data.draw(st.integers(0, 4))]}
    call = json.dumps({name: words}, ensure_ascii=False)
    writing, wanted = Writing(load_tokenizer(), specs(tools)), load_tokenizer().encode(call)
    while wanted:
        assert writing.allowed()[wanted[0]]
        liked = np.zeros(len(load_tokenizer().spelled), np.float32)
        liked[wanted[0]] = 1
        written = writing.choose(liked)
        spelled = load_tokenizer().decode(written)
        assert call.startswith(spelled)
        call = call.removeprefix(spelled)
        wanted = load_tokenizer().encode(call) if len(written) > 1 else wanted[1:]
    assert writing.done
    assert writing.call == (name, words)


def test_a_tool_without_arguments_is_written_without_asking_the_network_for_its_name():
    writing = Writing(load_tokenizer(), specs({"hang_up": []}), required=True)
    rng, runs = np.random.default_rng(1), 0
    while not writing.done:
        writing.choose(rng.normal(size=len(load_tokenizer().spelled)))
        runs += 1
    assert writing.call == ("hang_up", {})
    assert runs <= 3


def test_a_spoken_answer_has_no_marks_and_an_end():
    writing = Writing(load_tokenizer(), specs({"hang_up": []}))
    rng = np.random.default_rng(3)
    liked = rng.normal(size=len(load_tokenizer().spelled))
    liked[list(load_tokenizer().special.values())] = 100.0
    liked[load_tokenizer().special[END]] = -100.0
    tokens = [token for _ in range(TOKENS_AT_MOST) for token in writing.choose(liked)]
    assert writing.done
    assert len(tokens) == TOKENS_AT_MOST
    assert not set(tokens) & set(load_tokenizer().special.values())


def test_an_answer_is_not_empty():
    writing = Writing(load_tokenizer())
    liked = np.zeros(len(load_tokenizer().spelled))
    liked[load_tokenizer().special[END]] = 100.0
    assert load_tokenizer().decode(writing.choose(liked))
    assert writing.choose(liked) == []
    assert writing.done


def test_the_words_of_an_argument_are_those_that_the_network_likes():
    call = render_call("book", {"day": "on Friday"})
    writing = Writing(load_tokenizer(), specs({"book": ["day", "time"]}))
    for token in load_tokenizer().encode(call):
        if not writing.done and writing.allowed()[token]:
            liked = np.zeros(len(load_tokenizer().spelled))
            liked[token] = 1
            writing.choose(liked)
    assert writing.call == ("book", {"day": "on Friday"})
