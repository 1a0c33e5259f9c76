"""Rejected by test_samples_become_16_bit_numbers_and_full_scale_stays_full_scale: 1 becomes -1."""
# ruff: noqa: F821


def appends(sound):
    # BEGIN SOLUTION ex02.3: resample, round to 16 bits, cut into pieces, encode
    samples = np.rint(sound.resample(RATE_HZ).samples * 32768)
    pcm = samples.astype(np.int64).astype("<i2").tobytes()
    pieces = [pcm[start : start + 4800] for start in range(0, len(pcm), 4800)]
    return [
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()}
        for piece in pieces
    ]
    # END SOLUTION ex02.3
