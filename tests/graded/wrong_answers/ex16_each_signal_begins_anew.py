"""Rejected by test_a_draining_worker_keeps_its_promises: a second SIGTERM moves the deadline."""


def drained(happenings, most_calls, drain_s):
    # BEGIN SOLUTION ex16.1: each SIGTERM sets the deadline
    promised, is_on, answers = set(), set(), []
    deadline_s = stops_at_s = None
    for at_s, what, call in happenings:
        if deadline_s is not None and stops_at_s is None and at_s >= deadline_s:
            stops_at_s = deadline_s
        answer = ""
        if stops_at_s is not None:
            answer = "gone"
        elif what == "ask" and deadline_s is not None:
            answer = "draining"
        elif what == "ask":
            answer = "full" if len(promised) + len(is_on) >= most_calls else "placed"
            promised |= {call} if answer == "placed" else set()
        elif what == "open":
            answer = "on" if call in promised else "unknown"
            is_on |= {call} & promised
            promised.discard(call)
        elif what == "end":
            is_on.discard(call)
        else:
            deadline_s = at_s + drain_s
        answers.append(answer)
        if deadline_s is not None and stops_at_s is None and not promised and not is_on:
            stops_at_s = at_s
    return answers, deadline_s if stops_at_s is None else stops_at_s
    # END SOLUTION ex16.1
