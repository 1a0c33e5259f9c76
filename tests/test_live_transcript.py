"""The transcript of the live cell: what was heard, said and cut off."""

from voxlab.timeline import Event
from voxlab.widgets.live import transcribe


def shown(*events):
    rows = ()
    for source, kind, told in events:
        rows = transcribe(rows, Event(0.0, source, kind, told))
    return [(row.who, row.text, row.cut, row.note) for row in rows]


def test_the_transcript_grows_with_what_is_heard_and_said():
    assert shown(
        ("agent", "sentence", {"text": "Hello."}),
        ("agent", "sentence", {"text": "How are you?"}),
        ("agent", "said", {"text": "Hello. How are you?"}),
        ("stt", "partial", {"text": "Where"}),
        ("stt", "partial", {"text": "Where is"}),
        ("stt", "final", {"text": "Where is it?"}),
        ("tool", "started", {"name": "lookup_order"}),
        ("agent", "sentence", {"text": "It is here."}),
    ) == [
        ("agent", "Hello. How are you?", "", ""),
        ("user", "Where is it?", "", ""),
        ("tool", "lookup_order", "", ""),
        ("agent", "It is here.", "", ""),
    ]


def test_an_interrupted_sentence_shows_what_was_heard_of_it_and_what_was_not():
    assert shown(
        ("agent", "sentence", {"text": "It will come on Friday."}),
        ("stt", "partial", {"text": "No"}),
        ("stt", "final", {"text": "No, stop."}),
        ("turn", "interruption", {"text": "No, stop.", "meaning": "stop"}),
        ("agent", "interrupted", {"heard": "It will", "unheard": "come on Friday."}),
    ) == [("agent", "It will", "come on Friday.", ""), ("user", "No, stop.", "", "(stop)")]


def test_a_sentence_that_is_taken_up_again_begins_a_new_row():
    assert shown(
        ("agent", "sentence", {"text": "It will come."}),
        ("stt", "final", {"text": "uh huh"}),
        ("agent", "resumed", {}),
        ("agent", "sentence", {"text": "will come."}),
    ) == [
        ("agent", "It will come.", "", "paused, goes on"),
        ("user", "uh huh", "", ""),
        ("agent", "will come.", "", ""),
    ]


def test_a_cough_leaves_no_row():
    assert shown(("stt", "final", {"text": ""})) == []
