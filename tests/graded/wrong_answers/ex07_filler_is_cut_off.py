"""Rejected by test_a_filler_hides_silence_and_may_hold_the_answer_back: it is cut off.

The answer comes when it is ready, though the filler is still being spoken.
"""


def tool_turn(tool_start_s, tool_s, llm_s, tts_s, filler_s):
    # BEGIN SOLUTION ex07.5: the answer comes when it is ready
    ready_s = tool_start_s + tool_s + llm_s + tts_s
    if not filler_s:
        return ready_s, ready_s
    filler_start_s = tool_start_s + tts_s
    return ready_s, max(filler_start_s, ready_s - filler_start_s - filler_s)
    # END SOLUTION ex07.5
