"""Rejected by test_speaking_over_the_agent_stops_it_and_truncates_to_what_was_heard: too soon."""
# ruff: noqa: F821


def step(agent, event, now_s):
    # BEGIN SOLUTION ex02.8: the table above
    kind = event["type"]
    if kind == "session.created":
        settings = session_settings(INSTRUCTIONS, 500)
        return [{"type": "session.update", "session": settings}]
    if kind == "response.output_audio.delta":
        agent.pieces = play(agent.pieces, event["item_id"], event["delta"], now_s)
    if kind == "input_audio_buffer.speech_started":
        agent.pieces = heard(agent.pieces, now_s)
        return truncations(agent.pieces, now_s)
    if kind == "response.done":
        return answers(event["response"])
    return []
    # END SOLUTION ex02.8
