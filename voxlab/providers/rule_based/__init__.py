"""A language model made of rules, for the shop's calls, and the sentences that it speaks."""

from voxlab.providers.rule_based.phrases import phrasings

__all__ = ["phrasings"]
