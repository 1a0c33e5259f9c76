"""What the network holds likely: of a token, of a text, of a tool."""

import math

import pytest

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.providers.smollm import (
    SmolLMDecoder,
    likeliest_tokens,
    log_likelihood,
    score_tools,
)

pytestmark = pytest.mark.slow
FRANCE = "The capital of France is"


@pytest.fixture(scope="module")
def decoder():
    return SmolLMDecoder(longest=256)


def test_the_likeliest_token_comes_first_and_chances_fall(decoder):
    (token, chance), *others = likeliest_tokens(decoder, FRANCE, 4)
    assert token == " Paris"
    chances = [chance, *(each for _, each in others)]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) < 1


def test_the_likelihood_of_a_token_is_its_probability(decoder):
    ((token, chance),) = likeliest_tokens(decoder, FRANCE, 1)
    assert math.exp(log_likelihood(decoder, token, FRANCE)) == pytest.approx(chance, rel=0.1)


def test_a_likely_text_has_a_higher_likelihood_than_an_unlikely_one(decoder):
    right = log_likelihood(decoder, " Paris, and of Italy it is Rome.", FRANCE)
    assert right > log_likelihood(decoder, " Rome, and of Italy it is Paris.", FRANCE)


def test_the_words_are_likeliest_for_the_tool_that_they_ask_for(decoder):
    specs = [tool.spec for tool in shop_tools(data.shop())]
    scores = score_tools(decoder, "Will it rain in Paris tomorrow?", specs)
    assert set(scores) == {spec.name for spec in specs}
    assert max(scores, key=scores.get) == "get_weather"
