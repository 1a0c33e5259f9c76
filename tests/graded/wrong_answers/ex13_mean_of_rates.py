"""Rejected by test_the_word_error_rate_is_pooled: one word weighs as much as a sentence."""
# ruff: noqa: F821


def accuracy(pairs):
    # BEGIN SOLUTION ex13.3: the mean of the utterances' rates
    rates = [edits(said.split(), heard.split()) / len(said.split()) for said, heard in pairs]
    numbers = [tuple(re.findall(r"\d+", text) for text in pair) for pair in pairs]
    hits = [said == heard for said, heard in numbers if said]
    return sum(rates) / len(rates), sum(hits) / len(hits) if hits else None
    # END SOLUTION ex13.3
