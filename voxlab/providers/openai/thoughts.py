"""Thoughts that a model writes into its reply: kept from the listener, though they are streamed.

A server with a reasoning parser sends thoughts in a field of their own, which nobody reads aloud.
Without one they stand in the text, between tags that differ from model to model. Some templates
write the opening tag themselves, and the reply has the closing one only.
"""

import re

TAGS = {  # what opens a thought: what closes it
    "<think>": "</think>",  # DeepSeek, Qwen, GLM, MiniMax
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",  # gpt-oss
}
CALL = "<tool_call>"  # Qwen and Hermes, where the server has no parser for tools
BLOCKS = {**TAGS, CALL: "</tool_call>"}
_MARKS = (*BLOCKS, *BLOCKS.values())
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_FIRST = re.compile("[" + re.escape("".join({mark[0] for mark in _MARKS})) + "]")
_LONGEST = max(map(len, _MARKS))


class ThoughtFilter:
    """Takes the thoughts, and calls in tags, out of one streamed reply.

    begins_within: whether the reply begins within a thought; None: not known. Unless it is False,
    text is held back until a closing tag, or the end, has told; afterwards it is what was found.

    >>> reply = ThoughtFilter(begins_within=False)
    >>> [reply.feed(text) for text in ("<thi", "nk>They greet", "</think>Hello", "!")]
    ['', '', 'Hello', '!']
    """

    def __init__(self, begins_within: bool | None) -> None:
        self.begins_within = begins_within
        self.calls: list[str] = []  # what stood between the tags of calls
        self._holds = begins_within is not False
        self._held = ""
        self._block = ""  # the tag that opened the block that we are in
        self._inside = ""
        self._rest = ""  # not looked at yet, or half a tag
        self._after_tag = False

    @property
    def is_thinking(self) -> bool:
        """Whether the text so far ends within a thought."""
        return bool(self._block) and self._block != CALL

    def feed(self, text: str) -> str:
        """Return what of the text so far may be said now."""
        self._rest += text
        said = ""
        while match := _MARK.search(self._rest):
            before, tag = self._rest[: match.start()], match[0]
            self._rest = self._rest[match.end() :]
            said = self._said(said, before)
            said = self._passed(said, tag)
        end = len(self._rest) - _half_a_mark(self._rest)
        said = self._said(said, self._rest[:end])
        self._rest = self._rest[end:]
        if self._holds:
            self._held, said = self._held + said, ""
        return said

    def release(self) -> str:
        """Return what was held back, for the server sends thoughts in a field of their own."""
        if not self._holds or self.begins_within:
            return ""
        said, self._held = self._held, ""
        self._holds = self.begins_within = False
        return said

    def finish(self, *, is_cut: bool = False) -> str:
        """Return what was held back, now that the reply is over, or cut off at its limit."""
        said = self._said(self._held, self._rest)
        self._held = self._rest = ""
        if self._block == CALL:
            self.calls.append(self._inside)
        if self.begins_within and self._holds and is_cut:
            self._block, said = "<think>", ""
        elif said and self.begins_within is None:
            self.begins_within = False
        return said

    def _said(self, said: str, text: str) -> str:
        """Add text to what is said, or to the block that we are in."""
        if self._block:
            self._inside += text
            return said
        text = text.lstrip() if self._after_tag else text
        self._after_tag = self._after_tag and not text
        return said + text

    def _passed(self, said: str, tag: str) -> str:
        """Go into a block, or out of one; return what is left of what was said."""
        self._after_tag = True
        if self._block and not (self._holds and tag in TAGS.values()):
            if tag == BLOCKS[self._block]:
                self.calls += [self._inside] if self._block == CALL else []
                self._block = self._inside = ""
        elif tag in BLOCKS:
            self._block, self._inside = tag, ""
            if tag in TAGS and self._holds:  # the template leaves the tags to the model
                said, self._held = self._held + said, ""
                self._holds = self.begins_within = False
        elif tag in TAGS.values():  # a thought that the template opened
            said = "" if self._holds else said
            self._held = self._block = ""
            self._holds, self.begins_within = False, True
        return said


def _half_a_mark(text: str) -> int:
    """Return how many of the last characters may be the beginning of a mark."""
    for match in _FIRST.finditer(text, max(0, len(text) - _LONGEST + 1)):
        if any(mark.startswith(text[match.start() :]) for mark in _MARKS):
            return len(text) - match.start()
    return 0
