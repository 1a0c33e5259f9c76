"""The telephone: how sound is coded, packed, lost, buffered and concealed on its way.

`g711` and `opus` code it, `rtp` packs it, `network_conditions` loses and delays packets,
`jitter_buffer` waits for them and `concealment` fills the gaps; `simulated_line` is all of these in
a row. `resampling` goes between the telephone's rate and ours, `dtmf` knows the keys' tones, and
`twilio` the messages of Twilio's media streams.
"""

from voxlab.telephony.concealment import Concealer
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.jitter_buffer import JitterBuffer
from voxlab.telephony.network_conditions import NetworkConditions, travel
from voxlab.telephony.rtp import RtpSender

__all__ = ["MULAW", "Concealer", "JitterBuffer", "NetworkConditions", "RtpSender", "travel"]
