"""Timelines for the tests of metrics and traces: written by hand, and drawn at random."""

from hypothesis import strategies as st

from voxlab.timeline import Event, Timeline

KEY = "sk-test-4f1d9a"
QUESTION, ANSWER = "Where is my parcel?", "It comes on Thursday."


def timeline(events):
    """Return a timeline of (at_s, "source kind", data)."""
    return Timeline([Event(at_s, *name.split(), data) for at_s, name, data in events])


def turn(at_s, wait_s, text=QUESTION, lasts_s=1.0, slow="LLM"):
    """Return the events of a turn that ends after lasts_s, and is answered wait_s later.

    slow: the stage that takes what the others leave.
    """
    end_s = at_s + lasts_s
    took_s = {"turn": 0.1, "LLM": 0.1, "TTS": 0.1}
    took_s["turn" if slow == "end of turn" else slow] += wait_s - 0.3
    decided_s = end_s + took_s["turn"]
    token_s = decided_s + took_s["LLM"]
    sound_s = end_s + wait_s
    return [
        (at_s, "caller speech_started", {"text": text}),
        (end_s, "caller speech_stopped", {}),
        (at_s + 0.1, "vad speech_started", {"speech_at_s": at_s - 0.01}),
        (end_s + 0.05, "vad speech_stopped", {"speech_at_s": end_s}),
        (at_s + 0.1, "stt started", {}),
        (decided_s, "stt final", {"text": text}),
        (decided_s, "turn commit", {"text": text}),
        (decided_s, "llm request", {}),
        (token_s, "llm first_token", {}),
        (token_s, "llm done", {"text": ANSWER}),
        (token_s, "tts request", {"text": ANSWER}),
        (sound_s, "tts first_audio", {}),
        (sound_s, "tts done", {}),
        (sound_s, "agent speech_started", {}),
        (sound_s + 1.0, "agent speech_stopped", {}),
        (sound_s + 1.0, "agent said", {"text": ANSWER}),
    ]


def call_of(waits_s, **more):
    """Return a call whose turns are answered after so many seconds each."""
    events = [(0.0, "transport call_started", {})]
    for number, wait_s in enumerate(waits_s):
        events += turn(1.0 + 20 * number, wait_s, **more)
    return timeline(events)


OUTCOMES = timeline(  # a turn of each kind, a tool, and a failure that tells a key
    [
        *turn(1.0, 0.5),
        *turn(11.0, -0.4, "Hmm, well ..."),
        (20.0, "agent speech_started", {}),
        (20.5, "caller speech_started", {"text": "Uh huh."}),
        (20.6, "agent speech_stopped", {}),
        (20.9, "caller speech_stopped", {}),
        (21.0, "agent resumed", {}),
        (21.0, "agent speech_started", {}),
        (22.0, "agent speech_stopped", {}),
        (22.0, "agent said", {"text": ANSWER}),
        (30.0, "caller speech_started", {"text": "Is anybody there?"}),
        (31.0, "caller speech_stopped", {}),
        (31.5, "llm request", {}),
        (31.6, "llm failed", {"error": f"Incorrect API key provided: {KEY}"}),
        *turn(40.0, 0.8),
        (41.2, "tool started", {"id": "call_1", "name": "track", "arguments": {"id": "parcel"}}),
        (41.4, "tool finished", {"id": "call_1", "result": "a parcel for Anna Lopez"}),
        (50.0, "transport call_ended", {"reason": "the caller hung up"}),
    ]
)
WORDS = ("parcel", "Thursday", "Uh huh", "anybody", "Lopez", KEY)

HAPPENINGS = [
    f"{source} {kind}"
    for source, kinds in {
        "caller": ("speech_started", "speech_stopped"),
        "vad": ("speech_started", "speech_stopped"),
        "agent": ("speech_started", "speech_stopped", "resumed", "interrupted", "said"),
        "stt": ("started", "partial", "final", "failed"),
        "llm": ("request", "first_token", "done", "failed"),
        "tts": ("request", "first_audio", "done", "failed"),
        "tool": ("started", "finished", "failed"),
        "turn": ("commit", "speculated", "dropped"),
    }.items()
    for kind in kinds
]
any_timeline = st.lists(  # whatever an agent tells, in whatever order: no trace may break of it
    st.tuples(st.integers(0, 80), st.sampled_from(HAPPENINGS)), max_size=40
).map(lambda drawn: timeline([(n / 8, name, {"text": "x", "heard": ""}) for n, name in drawn]))
