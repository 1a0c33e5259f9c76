"""The telephone: how sound is coded, packed, lost, buffered and concealed on its way.

`g711`, `codecs` and `opus` code it, `rtp` packs it, `network_conditions` loses and delays packets,
`jitter_buffer` waits for them and `concealment` fills the gaps; `simulated_line` is all of these in
a row, and `rtp_playout` the receiving half of a real call. `resampling` goes between the
telephone's rate and ours, `dtmf` knows the keys' tones, `codecs` the names that `sdp` agrees on in
a SIP call, and `twilio` the messages of Twilio's media streams. `echo` is what a loudspeaker sends
back into the microphone, and the canceller that takes it out.
"""

from voxlab.telephony.codecs import available_codecs
from voxlab.telephony.concealment import Concealer
from voxlab.telephony.echo import Echo, EchoCanceller, measure_erle_db
from voxlab.telephony.g711 import ALAW, MULAW
from voxlab.telephony.jitter_buffer import JitterBuffer
from voxlab.telephony.measured_lines import load_measured_lines
from voxlab.telephony.network_conditions import NetworkConditions, travel
from voxlab.telephony.opus import Opus, has_opus
from voxlab.telephony.rtp import RtpSender
from voxlab.telephony.simulated_line import TelephoneCoder, carry, conceal_losses

__all__ = [
    "ALAW",
    "MULAW",
    "Concealer",
    "Echo",
    "EchoCanceller",
    "JitterBuffer",
    "NetworkConditions",
    "Opus",
    "RtpSender",
    "TelephoneCoder",
    "available_codecs",
    "carry",
    "conceal_losses",
    "has_opus",
    "load_measured_lines",
    "measure_erle_db",
    "travel",
]
