"""A language model made of rules, for the shop's calls."""
