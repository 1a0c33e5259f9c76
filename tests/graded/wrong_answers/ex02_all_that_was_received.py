"""Rejected by test_what_was_not_heard_to_its_end_is_truncated_where_it_was_heard: all."""
# ruff: noqa: F821


def truncations(pieces, now_s):
    # BEGIN SOLUTION ex02.7: add up what each item has sounded, keep those that were not over
    heard_s, received_s, is_cut = {}, {}, {}
    for item_id, start_s, samples in pieces:
        duration_s = len(samples) / RATE_HZ
        sounded_s = min(max(now_s - start_s, 0.0), duration_s)
        heard_s[item_id] = heard_s.get(item_id, 0.0) + sounded_s
        received_s[item_id] = received_s.get(item_id, 0.0) + duration_s
        is_cut[item_id] = sounded_s < duration_s
    cut = {"type": "conversation.item.truncate", "content_index": 0}
    return [
        {**cut, "item_id": item_id, "audio_end_ms": int(1000 * received_s[item_id])}
        for item_id in heard_s
        if is_cut[item_id]
    ]
    # END SOLUTION ex02.7
