"""Write data/language_model/heard.yaml: what Moonshine hears when callers say the training's words.

    python data/make/heard.py

Each template of training_shop.yaml, training_tools.yaml and training_things.yaml is drawn once,
spoken by Hibari, in its voices in turn, and recognised. Where a value ends up in the middle of a
word that was misheard, or is lost, the sentence is left out. None of the sentences is of the test
sets. Running it again on the same machine gives the same file.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from blind_heard import FOLDER, hear

from voxlab.providers.smollm import trades
from voxlab.providers.smollm.dialogues import CLOSE, OPEN, Caller, of_kind, phrases, unmark
from voxlab.text import plain_words

SEED = 20
HEAD = (
    "# What Moonshine hears when callers say a template's sentence, with the words of its values.\n"
    "# Made by data/make/heard.py.\n"
)


def templates() -> Iterator[tuple[str, Callable[[Caller], str]]]:
    """Yield the templates of all that callers say, and what draws a sentence of each."""
    shop, rng = phrases("training_shop"), np.random.default_rng(SEED)
    yield from _wishes(trades.shop())
    yield from _wishes(trades.other_trade(rng, [*phrases("training_tools")]))
    for kind in dict.fromkeys(trades.SHOP_KINDS.values()):
        for each in (*shop["answers_of"][kind], *shop["answers"], *shop["another_value"]):
            draw = partial(Caller.fill_value, template=each, name=kind, kind=kind)
            yield of_kind(each, kind), draw
    for replies in (*shop["replies"].values(), shop["no_answer"]):
        for each in replies:
            yield each, partial(Caller.fill, template=each, kinds={})
    # last: a template's number decides what is drawn of it
    yield from _wishes(trades.other_trade(rng, [*phrases("training_things")]))


def _wishes(trade: trades.Trade) -> Iterator[tuple[str, Callable[[Caller], str]]]:
    for tool, says in trade.says.items():
        for each in says:
            yield each, partial(Caller.fill, template=each, kinds=trade.kinds[tool])


def draw_sentences() -> dict[str, str]:
    """Return a sentence of each template, its values marked as Caller marks them."""
    said = dict[str, str]()
    for number, (template, draw) in enumerate(templates()):
        caller = Caller(np.random.default_rng((SEED, number)))
        said.setdefault(template, caller.punctuate(caller.around(draw(caller))))
    return said


def mark(said: str, heard: str) -> str | None:
    """Return what was heard with the values marked that are marked in what was said.

    >>> mark(f"order {OPEN}id{OPEN}42{CLOSE} please", "Order four, two, please.")
    'Order <id: four, two>, please.'
    """
    text, values = "", list[tuple[str, int, int]]()
    for part in re.split(f"({OPEN}.*?{OPEN}.*?{CLOSE})", said):
        _, name, words = part.strip(CLOSE).split(OPEN) if part[:1] == OPEN else ("", "", part)
        if name:
            values.append((name, len(text.split()), len((text + words).split())))
        text += words
    before = text.split()
    after = heard.split()
    changes = difflib.SequenceMatcher(None, *map(_plain, (before, after)), autojunk=False)
    place = {0: 0, len(before): len(after)}  # of a boundary of words, where it is known
    for kind, start, end, first, last in changes.get_opcodes():
        place |= {start: first, end: last}
        if kind == "equal":
            place |= {start + n: first + n for n in range(end - start)}
    for name, start, end in reversed(values):
        if start not in place or end not in place or place[start] == place[end]:
            return None
        words = " ".join(after[place[start] : place[end]])
        value = words.rstrip(",.?!")
        after[place[start] : place[end]] = [f"<{name}: {value}>{words[len(value) :]}"]
    return " ".join(after)


def _plain(words: list[str]) -> list[str]:
    return [" ".join(plain_words(word)) for word in words]


def main() -> None:
    """Speak, hear, mark, write."""
    said = draw_sentences()
    spoken = {template: unmark(text) for template, text in said.items()}
    heard = hear([*dict.fromkeys(spoken.values())])
    marked = {each: mark(text, heard[spoken[each]]) for each, text in said.items()}
    lines = (f"{json.dumps(each)}: {json.dumps(text)}\n" for each, text in marked.items() if text)
    (FOLDER / "heard.yaml").write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
