"""Rejected by test_without_streaming_we_wait_for_all_text_and_all_sound: the first is enough.

It waits for all text, and for the synthesis of the first sentence only.
"""


def sequential(text_ready_s, synthesis_s, speech_s):
    # BEGIN SOLUTION ex07.1: all text, then the first sentence
    first_sound_s = text_ready_s[-1] + synthesis_s[0]
    return first_sound_s, first_sound_s + sum(speech_s)
    # END SOLUTION ex07.1
