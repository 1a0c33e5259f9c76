"""Rejected by test_a_piece_starts_when_it_arrives_or_when_the_last_one_ends: pieces overlap."""
# ruff: noqa: F821


def play(pieces, item_id, delta, now_s):
    # BEGIN SOLUTION ex02.6: decode the sound, and find where the last piece ends
    samples = np.frombuffer(base64.b64decode(delta), "<i2").astype(np.float32) / 32768
    return [*pieces, (item_id, now_s, samples)]
    # END SOLUTION ex02.6
