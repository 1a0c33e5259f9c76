"""Names of what is exported: OpenTelemetry's GenAI conventions beside the chapter's `voice.*`.

The conventions move; a name that changes is changed here and nowhere else. "GenAI" has a constant
in opentelemetry-semantic-conventions 0.66b2; "GenAI draft" stands in the voice pages of
open-telemetry/semantic-conventions-genai and has none yet; "chapter" is of fragment 39.1.6; "ours"
is what none of them names.
"""


class Name(str):
    """The name of an attribute or a metric, with who gave it (origin) and what it holds (about)."""

    origin: str
    about: str

    def __new__(cls, name: str, origin: str, about: str) -> "Name":
        """Return the name, which is a text like any other."""
        made = super().__new__(cls, name)
        made.origin, made.about = origin, about
        return made


OPERATIONS = {  # stage: the name of its spans, and gen_ai.operation.name where there is one
    "session": ("voice.session", ""),
    "turn": ("invoke_agent", "invoke_agent"),
    "VAD": ("voice.vad", ""),
    "STT": ("speech_to_text", "speech_to_text"),
    "LLM": ("chat", "chat"),
    "tools": ("execute_tool", "execute_tool"),
    "TTS": ("text_to_speech", "text_to_speech"),
    "playout": ("voice.playout", ""),
}

OPERATION = Name("gen_ai.operation.name", "GenAI", "what the work of a span is")
CONVERSATION = Name("gen_ai.conversation.id", "GenAI", "the session")
FIRST_CHUNK_S = Name("gen_ai.response.time_to_first_chunk", "GenAI", "seconds to the first output")
OUTPUT_TYPE = Name("gen_ai.output.type", "GenAI", "speech or text")
TOOL_NAME = Name("gen_ai.tool.name", "GenAI", "which tool")
TOOL_CALL = Name("gen_ai.tool.call.id", "GenAI", "which call of it")
TOOL_ARGUMENTS = Name("gen_ai.tool.call.arguments", "GenAI", "with text only: what it was given")
TOOL_RESULT = Name("gen_ai.tool.call.result", "GenAI", "with text only: what it returned")
INPUT = Name("gen_ai.input.messages", "GenAI", "with text only: what is to be spoken")
OUTPUT = Name("gen_ai.output.messages", "GenAI", "with text only: what was heard or written")
ERROR = Name("error.type", "GenAI", "which part failed; never its message, which may hold a key")
END_REASON = Name(
    "gen_ai.agent.invocation.end_reason",
    "GenAI draft",
    "completed, interrupted (by the caller) or session_closed",
)
SESSION_ID = Name("voice.session_id", "chapter", "the session")
TURNS = Name("voice.turns", "chapter", "what the caller said, in turns")
AVERAGE_MS = Name("voice.avg_turn_latency_ms", "chapter", "mean TTFB of the answered turns, only")
INTERRUPTIONS = Name("voice.interruptions", "chapter", "the caller stopped the agent")
TOOL_CALLS = Name("voice.tool_calls", "chapter", "tools that were started")
ERRORS = Name("voice.errors", "chapter", "failures of providers, parties and connections")
DURATION_S = Name("voice.duration_s", "chapter", "the length of the call")
ANSWERED = Name("voice.turns.answered", "ours", "turns whose answer began after the caller's end")
CUT_IN = Name("voice.turns.cut_in", "ours", "turns in which the agent began before it")
RESUMED = Name("voice.turns.resumed", "ours", "turns after which the agent went on: backchannels")
UNANSWERED = Name("voice.turns.unanswered", "ours", "turns without an answer")
DROPPED_REPLIES = Name("voice.dropped.replies", "ours", "replies begun too early and thrown away")
DROPPED_TOKENS = Name("voice.dropped.tokens", "ours", "tokens of these")
DROPPED_VOICE_S = Name("voice.dropped.voice_s", "ours", "seconds of speech of these")
UNHEARD_WORDS = Name("voice.unheard_words", "ours", "words of interrupted replies after the cut")
TURN_NUMBER = Name("voice.turn.number", "ours", "from 1")
TURN_OUTCOME = Name("voice.turn.outcome", "ours", "answered, cut_in, resumed or unanswered")
TTFB_S = Name("voice.turn.ttfb_s", "ours", "seconds from the caller's last sound to the answer")
CUT_IN_S = Name("voice.turn.cut_in_s", "ours", "seconds by which the agent was too early")
WAIT_S = Name("voice.turn.wait_s", "ours", "the parts of ttfb_s, each with its stage behind a dot")
WORK_OUTCOME = Name("voice.work.outcome", "ours", "done, failed or dropped")
WAIT_PART = Name("voice.wait.part", "ours", "what a part of the wait was for, of a measurement")
DURATION = Name("gen_ai.client.operation.duration", "GenAI", "histogram: seconds of a stage's work")
FIRST_CHUNK = Name(
    "gen_ai.client.operation.time_to_first_chunk", "GenAI", "histogram: seconds to its first output"
)
TTFB = Name("voice.turn.ttfb", "ours", "histogram: seconds to the answer, of answered turns")
WAIT = Name("voice.turn.wait", "ours", "histogram: the same, divided by voice.wait.part")
TOO_EARLY = Name("voice.turn.cut_in", "ours", "histogram: seconds by which the agent cut in")

NAMES = tuple(each for each in tuple(globals().values()) if isinstance(each, Name))


def conventions_table() -> str:
    """Return all names as a table: attribute, origin, meaning."""
    width = max(map(len, NAMES))
    return "\n".join(f"{each:{width}}  {each.origin:11}  {each.about}" for each in NAMES)
