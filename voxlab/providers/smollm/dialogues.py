"""Dialogues that SmolLM2's adapter learns from: drawn from grammars of what callers say.

A dialogue is a list of messages, and for each of the caller's the answer that the model is to give:
a call with the caller's own words as arguments, also an incomplete one (what is missing will be
asked for), or the kind of a plain reply. The sentences are those of data/language_model; none of
them stands in the test sets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from voxlab import data
from voxlab.data.yaml_files import read_yaml
from voxlab.providers.protocols import Message, ToolCall, ToolSpec
from voxlab.providers.smollm import spoken_values
from voxlab.providers.smollm.moves import REPLIES, fill_call
from voxlab.providers.smollm.prompt import render_call

Asks = Callable[[str, np.random.Generator], str]
Tells = Callable[[str, Mapping[str, Any], np.random.Generator], tuple[str, bool]]

OPEN, CLOSE = "\x01", "\x02"  # around an argument's words in a sentence: OPEN name OPEN words CLOSE
GREETINGS = ("Hello, this is Acme. How can I help you?", "Hello! What can I do for you?")
ASKS = "what|where|when|who|how|is|are|can|could|do|does|will|has|have"  # first words
BIND = (  # words before a day or a time that leave no place for "on" or "at"
    *("on", "for", "from", "by", "to", "at", "take", "my", "of", "off", "the", "till", "until"),
    *("than", "around", "about", "before", "after", "is", "was", "it", "or", "like", "say"),
)
TABLE = ("day", "time", "party_size")
# Kinds of what a caller says that is no wish; foreign: a wish for a tool that this agent lacks.
AT_FIRST = (
    *("hello", "help", "cannot", "foreign", "foreign"),
    *("goodbye", "thanks", "repeat", "never_mind"),
)
AFTER_A_QUESTION = ("wait", "never_mind", "never_mind", "repeat", "cannot")
AFTER_A_RESULT = ("thanks", "thanks", "goodbye", "goodbye", "repeat", "cannot", "wait", "foreign")
CARRIED = ("order_id", "customer")  # of the shop: what "it" is, when a new wish leaves it out


@dataclass(frozen=True, slots=True)
class Trade:
    """Tools, and what callers say to have them used, by their names in the files.

    specs: as the model is told of them; there, a tool and its arguments may have other names.
    kinds: of each tool's arguments, in the order of its spec.
    """

    specs: Mapping[str, ToolSpec]
    kinds: Mapping[str, Mapping[str, str]]
    says: Mapping[str, Sequence[str]]

    def argument_names(self, tool: str) -> dict[str, str]:
        """Return the names of a tool's arguments in its spec, by those in the files."""
        properties = self.specs[tool].parameters["properties"]
        return dict(zip(self.kinds[tool], properties, strict=True))


@dataclass(slots=True)
class Dialogue:
    """Messages, and the right answer to some of them by their index."""

    messages: list[Message] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)

    def say(self, text: str, answer: str) -> None:
        """Let the caller say something that has this answer."""
        self.answers[len(self.messages)] = answer
        self.messages.append(Message("user", text))

    def reply(self, text: str) -> None:
        """Let the agent say something."""
        self.messages.append(Message("assistant", text))


@cache
def phrases(name: str) -> Any:
    """Return one of the files of phrases in data/language_model."""
    return read_yaml(data.path(f"language_model/{name}.yaml"))


def expand(template: str, rng: np.random.Generator) -> str:
    """Return one of the sentences that a template stands for.

    >>> expand("{a|a} table [please]", np.random.default_rng(1)) in ("a table", "a table please")
    True
    """
    while (choice := re.search(r"\{([^{}]*)\}", template)) is not None:
        options = choice[1].split("|")
        chosen = options[int(rng.integers(len(options)))]
        template = template[: choice.start()] + chosen + template[choice.end() :]
    while (part := re.search(r"\[([^\[\]]*)\]", template)) is not None:
        kept = part[1] if rng.random() < 0.5 else ""
        template = template[: part.start()] + kept + template[part.end() :]
    return " ".join(template.split())


def of_kind(template: str, kind: str) -> str:
    """Return a template with <value> as one that says a value of this kind."""
    return template.replace("<value>", f"<{kind}>")


def unmark(text: str) -> str:
    """Return a sentence without the marks around its values."""
    return re.sub(f"{OPEN}.*?{OPEN}|{CLOSE}", "", text)


class Caller:
    """Draws what one caller says, and keeps the style of the recogniser that wrote it down."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.is_punctuated = rng.random() < 0.7
        self.is_heard = rng.random() < 0.5

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Draw one of several."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        """Draw whether something happens."""
        return bool(self.rng.random() < probability)

    def value(self, name: str, kind: str, before: str = "") -> str:
        """Draw an argument's words, marked as such. before: the word that stands before it."""
        words = spoken_values.draw(kind, self.rng)
        lead = ""
        bound = before in BIND
        if kind == "day" and words not in ("today", "tomorrow", "tonight") and not bound:
            lead = self.one_of(("on ", "on ", "this ", "", ""))
        if kind == "time" and not bound:
            lead = self.one_of(("at ", "at ", "around ", ""))
        return f"{lead}{OPEN}{name}{OPEN}{words}{CLOSE}"

    def fill(self, template: str, kinds: Mapping[str, str]) -> str:
        """Return a sentence of a template with its values drawn and marked."""
        text = expand(template, self.rng)
        while (slot := re.search(r"(\S+)? ?<(\w+)>", text)) is not None:
            at = slot.start(2) - 1
            before = (slot[1] or "").lower()
            value = self.value(slot[2], kinds[slot[2]], before)
            if self.chance(0.06):  # the caller corrects themselves in one breath
                other = spoken_values.draw(kinds[slot[2]], self.rng)
                again = self.one_of(("no", "sorry", "no wait", "I mean", "no sorry", "make that"))
                value = f"{other}, {again}, {value}"
            text = text[:at] + value + text[at + len(slot[2]) + 2 :]
        return text

    def fill_value(self, template: str, name: str, kind: str) -> str:
        """Return a sentence of a template with <value>, and it may be <other>, another one."""
        if "<other>" in template:
            template = template.replace("<other>", spoken_values.draw(kind, self.rng))
        return self.fill(template.replace("<value>", f"<{name}>"), {name: kind})

    def finish(self, text: str) -> tuple[str, dict[str, str]]:
        """Return a sentence as a recogniser writes it, and the words of its arguments in it."""
        if self.is_punctuated:
            text = self.punctuate(text)
        else:
            text = re.sub(r"[,.!?](?= |$)", "", text)
            if self.chance(0.5):
                text = text.lower()
        found = re.findall(f"{OPEN}(.*?){OPEN}(.*?){CLOSE}", text)
        return unmark(text), {name.lower(): words for name, words in found}

    def punctuate(self, text: str) -> str:
        """Return a sentence with a capital at its start and a mark at its end."""
        text = _first_upper(text)
        asks = re.match(rf"(?:\W|\w+, )*(?:{ASKS})\b", text.lower())
        return re.sub(r"\bi\b", "I", text) + ("?" if asks and self.chance(0.8) else ".")

    def heard(self, template: str, name: str = "") -> tuple[str, dict[str, str]] | None:
        """Return what Moonshine wrote of a template's sentence, and its arguments' words.

        name: of the only argument. None if it was not asked, or this caller is understood.
        """
        text = phrases("heard").get(template) if self.is_heard else None
        if text is None:
            return None
        told = {name or each: words for each, words in re.findall(r"<(\w+): (.*?)>", text)}
        return re.sub(r"<\w+: (.*?)>", r"\1", text), told

    def say(
        self, template: str, kinds: Mapping[str, str], around: float = 1.0
    ) -> tuple[str, dict[str, str]]:
        """Return a sentence of a template as a recogniser writes it, and its arguments' words.

        around: how likely something may stand before and after it.
        """
        if heard := self.heard(template):
            return heard
        said = self.fill(template, kinds)
        return self.finish(self.around(said) if self.chance(around) else said)

    def around(self, text: str) -> str:
        """Return a sentence with what people say before and after it."""
        shop = phrases("training_shop")
        if self.chance(0.12):
            text = f"{self.one_of(shop['chatter'])}, {text}"
        elif self.chance(0.3):
            text = f"{self.one_of(shop['fillers'])}, {text}"
        if self.chance(0.1):
            text = f"{text}, {self.one_of(shop['behind'])}"
        return text


def _first_upper(text: str) -> str:
    """Return a sentence with a capital at its start, which may be within a marked value."""
    match = re.match(f"(?:{OPEN}\\w+{OPEN})?", text)
    at = match.end() if match else 0
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]


def dialogue(
    trade: Trade, foreign: Trade, ask: Asks, tell: Tells, rng: np.random.Generator
) -> Dialogue:
    """Draw a dialogue of one to four turns about tools of a trade.

    foreign: a trade with other tools, which the agent cannot use. ask: returns a question for a
    value. tell: returns what the agent says of a tool's result, and whether it went wrong.
    """
    talk = _Talk(trade, foreign, ask, tell, Caller(rng))
    if rng.random() < 0.5:
        talk.dialogue.reply(GREETINGS[int(rng.integers(len(GREETINGS)))])
    for _ in range(int(rng.integers(1, 5))):
        talk.go_on()
    return talk.dialogue


@dataclass(slots=True)
class _Talk:
    """A dialogue that grows turn by turn.

    tool, told: the wish and the words of its arguments. asked: the argument that the agent asked
    for. is_done: the tool has run. known: words of arguments told in this call, by name.
    """

    trade: Trade
    foreign: Trade
    ask: Asks
    tell: Tells
    caller: Caller
    dialogue: Dialogue = field(default_factory=Dialogue)
    tool: str = ""
    told: dict[str, str] = field(default_factory=dict)
    asked: str = ""
    is_done: bool = False
    failed: bool = False
    known: dict[str, str] = field(default_factory=dict)

    def go_on(self) -> None:
        """Add a turn of the caller and the agent's answer to it."""
        draw = self.caller.rng.random()
        if self.asked:
            if draw < 0.68:
                self._answer()
            elif draw < 0.76:
                self._no_answer()
            elif draw < 0.9:
                self._plain(self.caller.one_of(AFTER_A_QUESTION))
            else:
                self._wish()
        elif self.is_done:
            if draw < 0.36 and self.trade.kinds[self.tool]:
                self._another_value()
            elif draw < 0.64:
                self._wish()
            else:
                self._plain(self.caller.one_of(AFTER_A_RESULT))
        elif draw < 0.74:
            self._wish()
        else:
            self._plain(self.caller.one_of(AT_FIRST))

    def _plain(self, kind: str) -> None:
        shop = phrases("training_shop")
        if kind == "foreign":
            tool = self.caller.one_of([*self.foreign.says])
            if tool in self.trade.says:
                return
            wish = self.caller.one_of(self.foreign.says[tool])
            text, _ = self.caller.say(wish, self.foreign.kinds[tool], 0.2)
            kind = "cannot"
        else:
            text, _ = self.caller.say(self.caller.one_of(shop["replies"][kind]), {}, 0.2)
        self.dialogue.say(text, kind.replace("_", " "))
        if kind in ("never_mind", "goodbye"):
            self.tool, self.asked, self.is_done = "", "", False
        question = self._question() if self.asked else ""
        agent = [message.text for message in self.dialogue.messages if message.role == "assistant"]
        again = kind == "repeat" and agent and agent[-1]
        self.dialogue.reply(again or reply_text(kind, question, self.caller.rng))

    def _question(self) -> str:
        name = self.trade.argument_names(self.tool)[self.asked]
        return self.ask(name, self.caller.rng)

    def _wish(self) -> None:
        tool = self.caller.one_of([*self.trade.says])
        kinds = self.trade.kinds[tool]
        wish = self.caller.one_of(self.trade.says[tool])
        text, told = self.caller.say(wish, kinds)
        for name in kinds:  # "it" is what was spoken of before
            if name not in told and name in self.known and name in CARRIED:
                told[name] = self.known[name]
        if "order_id" in told and "email" in told:
            told.pop("email" if told["order_id"] in text else "order_id")
        self.tool, self.told = tool, told
        self._act(text)

    def _answer(self) -> None:
        kinds, shop = self.trade.kinds[self.tool], phrases("training_shop")
        answers = shop["answers_of"].get(kinds[self.asked])
        plain = answers is None or self.caller.chance(0.4)
        template = self.caller.one_of(shop["answers"] if plain else answers)
        if heard := self.caller.heard(of_kind(template, kinds[self.asked]), self.asked):
            self._tell(*heard)
            return
        said = self.caller.fill_value(template, self.asked, kinds[self.asked])
        missing = [name for name in kinds if name not in self.told and name != self.asked]
        if missing and self.caller.chance(0.3):
            said += ", " + self.caller.fill(f"<{self.caller.one_of(missing)}>", kinds)
        elif self.told and self.caller.chance(0.1):  # another value is better after all
            name = self.caller.one_of([*self.told])
            lead = self.caller.one_of(("and make it", "and sorry,", "and actually"))
            said += f", {lead} " + self.caller.fill(f"<{name}>", kinds)
        self._tell(*self.caller.finish(said))

    def _no_answer(self) -> None:
        text, _ = self.caller.say(self.caller.one_of(phrases("training_shop")["no_answer"]), {})
        self._act(text)

    def _another_value(self) -> None:
        if self.tool == "book_table" and not self.failed:
            self.tool = "change_reservation"
        kinds = self.trade.kinds[self.tool]
        name = self.caller.one_of([*self.told] or [*kinds])
        if self.tool == "change_reservation":
            self.told = {name: self.told[name] for name in ("customer",) if name in self.told}
            name = self.caller.one_of(TABLE)
        elif self.tool == "lookup_order":
            self.told = {}
        template = self.caller.one_of(phrases("training_shop")["another_value"])
        if heard := self.caller.heard(of_kind(template, kinds[name]), name):
            self._tell(*heard)
            return
        said = self.caller.fill_value(template, name, kinds[name])
        said = self.caller.around(said) if self.caller.chance(0.3) else said
        self._tell(*self.caller.finish(said))

    def _tell(self, text: str, told: Mapping[str, str]) -> None:
        """Add the caller's words, which tell more of the wish, and what the agent does about it."""
        self.told |= told
        self._act(text)

    def _act(self, text: str) -> None:
        """Add the caller's words, the call that they make, and what the agent does about it."""
        spec, names = self.trade.specs[self.tool], self.trade.argument_names(self.tool)
        told = {new: self.told[name] for name, new in names.items() if name in self.told}
        self.dialogue.say(text, render_call(spec.name, told))
        self.known |= self.told
        move = fill_call(spec, told, self.dialogue.messages)
        self.is_done = isinstance(move, ToolCall)
        self.asked = ""
        if not isinstance(move, ToolCall):
            is_change = move.name == "change"  # any of the values
            known_as = {new: name for name, new in names.items()}
            self.asked = self.caller.one_of(TABLE) if is_change else known_as[move.name]
            self.dialogue.reply(self.ask(move.name, self.caller.rng))
            return
        self.dialogue.messages.append(Message("assistant", "", (move,)))
        said, self.failed = self.tell(self.tool, move.arguments, self.caller.rng)
        self.dialogue.messages.append(Message("tool", "{}", tool_call_id=move.id))
        self.dialogue.reply(said)


def reply_text(kind: str, question: str, rng: np.random.Generator) -> str:
    """Return what the agent says in a plain reply, and the question that is still open."""
    ways = REPLIES.get(kind.replace("_", " "), ("Tell me what you need.", "I can help with that."))
    said = ways[int(rng.integers(len(ways)))]
    return f"{said} {question}".strip()
