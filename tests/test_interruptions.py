"""What words over the agent mean: many ways to say each, and what tells them apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.turn_taking.interruptions import Meaning, classify

SAID = {
    Meaning.NOISE: ["", "...", " - "],
    Meaning.BACKCHANNEL: [
        *("Um.", "uh", "Uh huh.", "uh-huh", "Mhm.", "Yeah.", "Oh, huh?", "m", "Okay.", "Right."),
        *("Sure, sure.", "I see.", "Got it.", "Oh wow.", "yeah yeah", "OK, go on.", "Thank you."),
    ],
    Meaning.STOP: [
        *("Stop.", "Stop it!", "Please stop.", "Wait.", "Hold on.", "Hang on a second"),
        *("One moment please", "Be quiet.", "That's enough.", "Never mind.", "Okay, stop."),
    ],
    Meaning.HANDOVER: [
        *("I want to talk to a real person!", "Can I speak to a human?", "Operator."),
        *("Let me speak with your manager.", "Put me through to someone.", "a live agent please"),
    ],
    Meaning.CORRECTION: [
        *("No wait, I meant Tuesday.", "No.", "Actually, make it six people.", "Not that one."),
        *("Sorry, not two people. Four people.", "I said Friday.", "That's wrong."),
        *("The other one instead.", "Wait, no, Friday."),
    ],
    Meaning.REQUEST: [
        *("What's the weather?", "And in Paris?", "How long will that take?", "Twelve."),
        *("Yes, but is there a later table?", "I need it by Friday", "Can you stop the delivery?"),
        *("I don't want to talk to a person", "Who is the person on the label?"),
        *("Sorry, could you repeat that?", "Sorry, what was the number?", "No, what is that?"),
    ],
}


@pytest.mark.parametrize(
    ("text", "meaning"), [(text, meaning) for meaning, texts in SAID.items() for text in texts]
)
def test_a_meaning_has_many_words(text, meaning):
    assert classify(text) is meaning


@pytest.mark.parametrize("text", [text for texts in SAID.values() for text in texts])
def test_neither_capitals_nor_punctuation_change_a_meaning(text):
    assert classify(text.upper()) is classify(text)
    assert classify(text.rstrip(".!?")) is classify(text)


@pytest.mark.parametrize("text", ["Yes.", "Okay.", "Yeah, sure."])
def test_yes_to_the_last_words_of_a_question_is_an_answer(text):
    assert classify(text, unheard="at seven?") is Meaning.REQUEST
    assert classify(text, unheard="at seven.") is Meaning.BACKCHANNEL
    assert classify(text, unheard="a table. Shall I book it for seven?") is Meaning.BACKCHANNEL
    assert classify(text) is Meaning.BACKCHANNEL


def test_a_grunt_takes_the_floor_only_with_words_that_people_interrupt_with():
    assert classify("Oh, her.", lasted_s=0.45) is Meaning.BACKCHANNEL
    assert classify("Oh, her.", lasted_s=0.9) is Meaning.REQUEST
    for text in ("No.", "Why?", "Stop!", "Tomorrow?"):
        assert classify(text, lasted_s=0.3).takes_the_floor


@given(st.text(), st.text(), st.floats(0, 60))
def test_whatever_is_said_means_something(text, unheard, lasted_s):
    assert classify(text, unheard, lasted_s) in Meaning
