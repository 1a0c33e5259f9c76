"""The agent for the telephone: 8 kHz, the caller's language, and how turns end."""

from statistics import median

import pytest

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import line_rate_hz, play
from voxlab.agents.shop import shop_agent
from voxlab.agents.telephone.agent import CallerVoice, TelephoneOptions, telephone_agent
from voxlab.agents.telephone.twilio_phone import OverTwilio, StreamOptions
from voxlab.errors import TelephonyError
from voxlab.evaluation.turn_times import transcript, turn_times
from voxlab.providers.offline import offline
from voxlab.providers.scripted import ScriptedTTS

SPANISH = CallerVoice(ScriptedTTS(), "Hola, soy Acme.", "Answer in Spanish.")
VOICES = TelephoneOptions(voices={"es": SPANISH, "en-GB": CallerVoice(ScriptedTTS())})


def test_a_telephone_agent_hears_at_8_khz_and_any_other_at_16():
    assert line_rate_hz(telephone_agent()) == 8_000
    assert line_rate_hz(telephone_agent(options=TelephoneOptions(16_000))) == 16_000
    assert line_rate_hz(shop_agent()) == 16_000


@pytest.mark.parametrize("tag", ["es", "es-MX", "ES_ar"])
def test_the_caller_s_language_chooses_voice_greeting_and_instructions(tag):
    agent = telephone_agent({"language": tag}, VOICES)
    assert agent.providers.tts is SPANISH.tts
    assert agent.options.turns.greeting == "Hola, soy Acme."
    assert agent.options.instructions.endswith("Answer in Spanish.")


@pytest.mark.parametrize("metadata", [None, {}, {"language": ""}, {"language": "e"}, {"x": "es"}])
def test_a_caller_of_no_known_language_hears_the_providers_voice(metadata):
    assert telephone_agent(metadata, VOICES).providers.tts is offline().tts


def test_a_fixed_silence_ends_turns_only_if_it_is_asked_for():
    fixed = telephone_agent(options=TelephoneOptions(endpoint_s=0.3))
    assert (fixed.options.turns.silence_s, fixed.providers.end_of_turn) == (0.3, None)
    assert telephone_agent().providers.end_of_turn is not None
    with pytest.raises(TelephonyError, match="needs seconds"):
        TelephoneOptions(endpoint_s=0.0)


@pytest.mark.slow
def test_what_twilio_says_of_the_call_reaches_the_agent_that_answers():
    seen = []

    def answer(start):
        seen.append(start.parameters)
        return telephone_agent(start.parameters)

    phone = OverTwilio(answer, options=StreamOptions(parameters=(("language", "en-GB"),)))
    call = play(load_script(data.path("calls/first_call.yaml")), phone)
    assert seen == [{"language": "en-GB"}]
    assert "on Friday is rain" in " ".join(text for _, _, text in transcript(call.timeline))


@pytest.mark.slow
def test_a_call_at_8_khz_is_understood_and_answered_as_soon_as_one_at_16():
    script = load_script(data.path("calls/order_number.yaml"))
    wide, narrow = (
        play(script, telephone_agent(options=TelephoneOptions(rate_hz)))
        for rate_hz in (16_000, 8_000)
    )
    assert narrow.user.rate_hz == narrow.agent.rate_hz == 8_000
    waits_s = [
        median(turn.ttfb_s for turn in turn_times(call.timeline)[:3]) for call in (wide, narrow)
    ]
    assert waits_s[1] == pytest.approx(waits_s[0], abs=0.1)
