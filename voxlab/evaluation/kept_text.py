"""What an agent keeps of its replies against what was heard of them.

An agent that is interrupted should remember what sounded, and no more. A recogniser tells what
sounded; what was kept is in the timeline (agent `said`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from voxlab.audio import Audio
from voxlab.errors import VoxlabError
from voxlab.evaluation.audible_speech import audible_speech
from voxlab.evaluation.word_errors import word_errors
from voxlab.timeline import Call

MARGIN_S = 0.2  # of silence around the speech that a recogniser gets


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply as the agent remembers it, and as it was heard. was_cut: somebody interrupted it."""

    at_s: float
    kept: str
    heard: str
    was_cut: bool

    @property
    def errors(self) -> int:
        """How many words were kept and not heard, heard and not kept, or are others."""
        return word_errors(self.heard, self.kept).errors


def kept_replies(call: Call, recognise: Callable[[Audio], str]) -> list[KeptReply]:
    """Return each reply that an agent has kept of a call, beside what was heard of it.

    recognise: hears the agent's voice, such as MoonshineSTT().recognize. Raises VoxlabError if the
    call has no sound.
    """
    if call.agent is None:
        raise VoxlabError("a call without sound: hold it with engines that make sound")
    stretches = audible_speech(call.agent, is_one_voice=True)
    cuts_s = {event.at_s for event in call.timeline.select("agent", "interrupted")}
    replies, since_s = [], 0.0
    for event in call.timeline.select("agent", "said"):
        spoken = [each for each in stretches if since_s <= each.start_s < event.at_s]
        since_s = event.at_s
        if spoken:
            start_s, end_s = spoken[0].start_s - MARGIN_S, spoken[-1].end_s + MARGIN_S
            heard = recognise(call.agent.between(start_s, end_s))
            text = str(event.data["text"])
            replies.append(KeptReply(spoken[0].start_s, text, heard, event.at_s in cuts_s))
    return replies
