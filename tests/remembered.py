"""Real engines asked the same thing twice answer from memory."""


def remembered(function):
    """The same answer to the same sound or text, without the work; its time is charged anew."""
    known = {}

    def recall(what, *rest):
        key = (what if isinstance(what, str) else what.samples.tobytes(), *rest)
        if key not in known:
            known[key] = function(what, *rest)
        return known[key]

    return recall
