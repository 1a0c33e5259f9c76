"""Rejected by test_quality_has_three_parts_that_do_not_mix: half of the answer passes for all."""
# ruff: noqa: F821


def quality(events, must_say):
    # BEGIN SOLUTION ex08.6: any of the things is enough
    said = " ".join(e["data"]["text"] for e in events if e["kind"] == "said").lower()
    user_end_s = last(events, "caller", "speech_stopped")
    began_s = first(events, "caller", "speech_started", 0.0)
    started_s = first(events, "agent", "speech_started", began_s)
    silent_s, silences_s = user_end_s, []
    for event in events:
        if event["source"] == "agent" and event["at_s"] >= user_end_s:
            if event["kind"] == "speech_started":
                silences_s.append(event["at_s"] - silent_s)
            elif event["kind"] == "speech_stopped":
                silent_s = event["at_s"]
    return {
        "right": any(wording.lower() in said for each in must_say for wording in each),
        "silence_s": max(silences_s, default=None),
        "cut_in": started_s is not None and started_s < user_end_s,
    }
    # END SOLUTION ex08.6
