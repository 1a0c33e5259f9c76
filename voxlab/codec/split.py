"""The split into training and test recordings: no phrase and no test speaker is in both.

A codec that has heard the sentence, or the voice, is better at it than it will be at a new one. So
we hold out phrases (any speaker, any language) and whole speakers, and never train on either.
"""

import re
import unicodedata
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the corpus, without its sound.

    name: the prompt's file name within its package, the same in every language that has it.
    text: what is said, "" if nobody wrote it down. start, samples: where its sound lies.
    """

    speaker: str
    language: str
    name: str
    text: str = ""
    start: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Recordings to train on, test recordings of the trained speakers, and of unseen ones."""

    train: tuple[Clip, ...]
    held_out: tuple[Clip, ...]
    unseen: tuple[Clip, ...]


def normalised(text: str) -> str:
    """Return a sentence's letters and digits in lower case, words apart.

    >>> normalised("  Numéro INVALIDE!")
    'numéro invalide'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"[^\W_]+", folded))


def phrases(clip: Clip) -> frozenset[Hashable]:
    """Return what makes two clips the same phrase: the prompt's name, or any sentence in common.

    >>> sorted(phrases(Clip("june", "fr", "vm-sorry", "Merci. Au revoir!")), key=str)
    [('name', 'vm-sorry'), ('text', 'au revoir'), ('text', 'merci')]
    """
    sentences = (normalised(part) for part in re.split(r"[.!?;:]+", clip.text))
    return frozenset(
        [("name", clip.name), *(("text", sentence) for sentence in sentences if sentence)]
    )


def split(
    clips: Sequence[Clip], held_out_names: Collection[str], unseen_speakers: Collection[str]
) -> Split:
    """Split clips by phrase and by speaker.

    Clips that share a phrase (see `phrases`), directly or through others, form a group. A group
    with a held-out name in it, or with a clip of an unseen speaker, gives nothing to training.
    """
    train: list[Clip] = []
    held_out: list[Clip] = []
    unseen: list[Clip] = []
    for group in groups(clips):
        new = [clip for clip in group if clip.speaker in unseen_speakers]
        known = [clip for clip in group if clip.speaker not in unseen_speakers]
        tests = new or any(clip.name in held_out_names for clip in group)
        unseen += new
        (held_out if tests else train).extend(known)
    return Split(tuple(train), tuple(held_out), tuple(unseen))


def groups(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    """Yield the clips in groups that share no phrase with each other (connected components)."""
    by_phrase: dict[Hashable, list[int]] = {}
    for index, clip in enumerate(clips):
        for phrase in phrases(clip):
            by_phrase.setdefault(phrase, []).append(index)
    seen: set[int] = set()
    for first in range(len(clips)):
        if first in seen:
            continue
        seen.add(first)
        group, waiting = [], [first]
        while waiting:
            index = waiting.pop()
            group.append(index)
            for phrase in phrases(clips[index]):
                for other in by_phrase.pop(phrase, ()):  # popped: each phrase is walked once
                    if other not in seen:
                        seen.add(other)
                        waiting.append(other)
        yield [clips[index] for index in sorted(group)]
