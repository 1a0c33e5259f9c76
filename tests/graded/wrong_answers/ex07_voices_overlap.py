"""Rejected by test_a_sentence_waits_for_its_input_and_for_the_one_before_it: voices overlap.

A sentence is played over the one before it.
"""


def streaming(text_ready_s, first_audio_s, synthesis_s, speech_s):
    # BEGIN SOLUTION ex07.2: play each sentence at once
    spoken, synth_end_s, play_end_s = [], 0.0, 0.0
    sentences = zip(text_ready_s, first_audio_s, synthesis_s, speech_s, strict=True)
    for ready_s, first_s, made_s, lasts_s in sentences:
        synth_start_s = max(ready_s, synth_end_s)
        first_byte_s = synth_start_s + first_s
        synth_end_s = synth_start_s + made_s
        play_start_s = first_byte_s
        play_end_s = play_start_s + lasts_s
        spoken.append(Spoken(synth_start_s, first_byte_s, synth_end_s, play_start_s, play_end_s))  # noqa: F821
    return spoken
    # END SOLUTION ex07.2
