"""Rejected by test_counters_wrap_and_copies_and_stragglers_change_nothing: 0 is before 65535."""


def playout(packets, delay_ms):
    # BEGIN SOLUTION ex15.1: distances as if the counter never wrapped
    begins_ms, first = packets[0]
    frames = {}
    for arrives_ms, sequence in packets:
        frame = sequence - first
        if frame >= 0:
            in_time = arrives_ms <= begins_ms + delay_ms + 20 * frame
            frames[frame] = sequence if in_time else frames.get(frame)
    return [frames.get(frame) for frame in range(max(frames) + 1)]
    # END SOLUTION ex15.1
