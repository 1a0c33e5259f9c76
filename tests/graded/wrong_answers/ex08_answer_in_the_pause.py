"""Rejected by test_each_boundary_of_a_pipeline_is_at_its_event: what came in the pause counts."""
# ruff: noqa: F821


def boundaries(events):
    # BEGIN SOLUTION ex08.2: the first event of each kind
    kinds = {
        "user_end": ("caller", "speech_stopped"),
        "decided": ("turn", "commit"),
        "transcript": ("stt", "final"),
        "first_token": ("llm", "first_token"),
        "first_audio": ("tts", "first_audio"),
        "audible": ("agent", "speech_started"),
        "end": ("agent", "speech_stopped"),
    }
    found = {name: first(events, *kind, 0.0) for name, kind in kinds.items()}
    names = [(event["source"], event["kind"]) for event in events]
    voice, text = ("tts", "request"), ("llm", "first_token")
    if voice in names and names.index(voice) < names.index(text):
        found["first_token"] = None
    return found
    # END SOLUTION ex08.2
