"""The shop's agent for the telephone: it hears 8 kHz and speaks as its caller does.

    serving_twilio(lambda start: telephone_agent(start.parameters))

Source: code fragment 39.1.5: voice by the caller's language, mu-law at 8 kHz, endpointing of 300
ms. It reads the language from the room's metadata as if that were a dict; LiveKit's is a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import GREETING, INSTRUCTIONS, PipelineOptions
from voxlab.agents.shop import shop_agent
from voxlab.agents.tools import ToolFault
from voxlab.errors import TelephonyError
from voxlab.providers.protocols import TTS, Providers
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.silero import TELEPHONE_HZ, SileroVAD

LANGUAGE = "language"  # the name of the metadata's entry: a tag such as "en-GB"


@dataclass(frozen=True, slots=True)
class CallerVoice:
    """How the agent speaks to the callers of one language.

    tts: its voice. instructions: for the model besides its own, such as "Answer in Spanish."
    """

    tts: TTS
    greeting: str = GREETING
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class TelephoneOptions:
    """How an agent differs on the telephone.

    rate_hz: at which the VAD hears; 8000 needs no upsampling. endpoint_s: a fixed silence that ends
    a turn (the chapter's: 0.3); None: how long depends on how finished the turn looks. voices: by
    language tag; who speaks another language gets the voice of the providers.
    Raises TelephonyError if endpoint_s is not positive.
    """

    rate_hz: int = TELEPHONE_HZ
    endpoint_s: float | None = None
    voices: Mapping[str, CallerVoice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.endpoint_s is not None and not 0 < self.endpoint_s < 10:
            raise TelephonyError(f"endpoint_s is {self.endpoint_s}: needs seconds, such as 0.3")


def telephone_agent(
    metadata: Mapping[str, str] | None = None,
    options: TelephoneOptions | None = None,
    providers: Providers | None = None,
    faults: Mapping[str, ToolFault] | None = None,
) -> PipelineAgent:
    """Return Acme's agent for one call over a telephone line.

    metadata: what the carrier tells of the call, such as Twilio's parameters; its "language"
    chooses the voice. providers: the offline engines if None; their VAD is replaced by one of
    options.rate_hz. faults: see `shop_agent`.
    """
    options = options or TelephoneOptions()
    if providers is None:
        from voxlab.providers.offline import offline

        providers = offline()
    tag = find_language((metadata or {}).get(LANGUAGE, ""), options.voices)
    voice = options.voices[tag] if tag else CallerVoice(providers.tts)
    turns = TurnOptions(greeting=voice.greeting)
    end_of_turn = providers.end_of_turn
    if options.endpoint_s is not None:
        turns, end_of_turn = replace(turns, silence_s=options.endpoint_s), None
    return shop_agent(
        replace(providers, vad=_vad(options.rate_hz), tts=voice.tts, end_of_turn=end_of_turn),
        PipelineOptions(instructions=f"{INSTRUCTIONS} {voice.instructions}".strip(), turns=turns),
        faults=faults,
    )


def find_language(tag: str, known: Mapping[str, object]) -> str | None:
    """Return the known language that suits a caller's best: the same, or a wider one; else None.

    Source: RFC 4647, section 3.4 (lookup).

    >>> find_language("es-MX", {"es": ..., "en-GB": ...})
    'es'
    >>> find_language("en_gb", {"es": ..., "en-GB": ...})
    'en-GB'
    """
    by_tag = {name.lower(): name for name in known}
    wanted = tag.replace("_", "-").lower()
    while wanted:
        if wanted in by_tag:
            return by_tag[wanted]
        wanted = wanted.rpartition("-")[0]
    return None


@cache
def _vad(rate_hz: int) -> SileroVAD:
    return SileroVAD(rate_hz)
