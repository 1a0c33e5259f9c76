"""Rejected by test_each_part_alone_can_spoil_a_recovery: it may answer while the caller speaks."""


def recovery(user, agent):
    # BEGIN SOLUTION ex13.4: the sooner the better
    start_s, end_s = user
    yield_s = next(end - start_s for begin, end in agent if begin <= start_s < end)
    reply_s = next((begin - end_s for begin, _ in agent if begin > start_s), None)
    recovered = yield_s <= 2.0 and reply_s is not None and reply_s <= 3.0
    return {"yield_s": yield_s, "reply_s": reply_s, "recovered": recovered}
    # END SOLUTION ex13.4
