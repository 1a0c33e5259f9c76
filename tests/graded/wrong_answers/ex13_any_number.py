"""Rejected by test_an_utterance_counts_if_all_its_numbers_were_heard_in_order: no order."""
# ruff: noqa: F821


def accuracy(pairs):
    # BEGIN SOLUTION ex13.3: the same numbers, in whatever order
    words = sum(len(said.split()) for said, _ in pairs)
    errors = sum(edits(said.split(), heard.split()) for said, heard in pairs)
    numbers = [tuple(set(re.findall(r"\d+", text)) for text in pair) for pair in pairs]
    hits = [said == heard for said, heard in numbers if said]
    return errors / words, sum(hits) / len(hits) if hits else None
    # END SOLUTION ex13.3
