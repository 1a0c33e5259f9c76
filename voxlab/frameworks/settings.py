"""How the frameworks take turns: their defaults, and what comes closest to ours.

Plain data: a worker process gets it as text. LiveKit's are arguments of `AgentSession`; Pipecat's
are those of its VAD, and one that we named. What a framework cannot be told stays as it is: neither
resumes at the word that was cut, and neither asks what words over the agent mean before it drops
its reply.

Two more are against echo. Without `aec_warmup_duration` LiveKit may be interrupted from the first
word on. In half duplex an agent does not listen while it speaks.
"""

from collections.abc import Mapping
from typing import Any

from voxlab.vad.endpointing import VADOptions

_VAD = VADOptions()

SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "livekit": {
        "defaults": {},
        "closest": {
            "turn_handling": {
                "endpointing": {"min_delay": _VAD.min_silence_s},
                "interruption": {
                    "min_duration": _VAD.min_speech_s,
                    "false_interruption_timeout": 0.5,
                },
            },
            "aec_warmup_duration": None,  # a telephone line has its own echo canceller
            "use_tts_aligned_transcript": True,
        },
        "no_warmup": {"aec_warmup_duration": None},
        "half_duplex": {"turn_handling": {"interruption": {"enabled": False}}},
    },
    "pipecat": {
        "defaults": {},
        "closest": {
            "confidence": _VAD.threshold,
            "start_secs": _VAD.min_speech_s,
            "stop_secs": _VAD.min_silence_s,
            "min_volume": 0.0,
        },
        "half_duplex": {"mutes_user_while_speaking": True},
    },
}
