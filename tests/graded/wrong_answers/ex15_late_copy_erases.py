"""Rejected by test_counters_wrap_and_copies_and_stragglers_change_nothing: a late copy erases."""


def playout(packets, delay_ms):
    # BEGIN SOLUTION ex15.1: what came last of a number decides
    begins_ms, first = packets[0]
    frames = {}
    for arrives_ms, sequence in packets:
        frame = (sequence - first + 32768) % 65536 - 32768
        if frame >= 0:
            in_time = arrives_ms <= begins_ms + delay_ms + 20 * frame
            frames[frame] = sequence if in_time else None
    return [frames.get(frame) for frame in range(max(frames) + 1)]
    # END SOLUTION ex15.1
