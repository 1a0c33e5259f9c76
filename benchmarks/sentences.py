"""Where a text is cut for speaking, on data/sentences.yaml, beside two kept splitters from PyPI.

    pip install 'voxlab[bench]'; python benchmarks/sentences.py [--json]

All see the text token by token, as a language model writes it, if they can: sentencex needs the
whole text. A wrong cut changes the sense, a missed one costs time. The delay is how many tokens
after the one that completes a sentence it comes out; a token takes about 20 ms.
Our rules were mended on this list, the others' were not, and no splitter is told the language.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import sentence_stream
import sentencex

from voxlab.evaluation.sentence_cuts import (
    CutScore,
    KnownCuts,
    load_known_cuts,
    score_cuts,
    split_into_tokens,
)
from voxlab.sentences import SentenceChunker

Feed = Callable[[Sequence[str]], Iterator[tuple[int, str]]]


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    texts = load_known_cuts()
    splitters = {"voxlab": by_voxlab, "sentence-stream": by_sentence_stream, "sentencex": None}
    scores: dict[str, dict[str, CutScore]] = {}
    figures: dict[str, float] = {}
    for name, feed in splitters.items():
        cut = by_sentencex if feed is None else pieces_of(feed)
        start_s = time.process_time()
        scores[name] = score_cuts(texts, cut)
        tokens = sum(len(split_into_tokens(known.text)) for known in texts)
        key = name.replace("-", "_")
        score = scores[name]["all"]
        figures |= {f"{key}_texts_right": score.right, f"{key}_cuts_wrong": score.wrong}
        figures |= {f"{key}_cuts_missed": score.missed}
        figures[f"{key}_us_per_token"] = 1e6 * (time.process_time() - start_s) / tokens
        if feed is not None:
            figures[f"{key}_delay_tokens"] = statistics.mean(delays(texts, feed))
    print(f"{'right texts, wrong and missed cuts':36}" + "".join(f"{n:>22}" for n in scores))
    for kind in scores["voxlab"]:
        each = [score[kind] for score in scores.values()]
        cells = (f"{s.right:4} of {s.texts:3}, {s.wrong:3} {s.missed:3}" for s in each)
        print(f"{kind[:35]:36}" + "".join(f"{cell:>22}" for cell in cells))
    for name, value in figures.items():
        print(f"{name:32} {value:10.2f}")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


def by_voxlab(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each piece with the number of tokens that had come; the last ones come at the end."""
    chunker = SentenceChunker(first_clause_chars=10**6, max_chars=10**6)
    for count, token in enumerate(tokens, 1):
        yield from ((count, piece) for piece in chunker.feed(token))
    yield from ((len(tokens), piece) for piece in chunker.flush())


def by_sentence_stream(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each piece with the number of tokens that had come."""
    detector = sentence_stream.SentenceBoundaryDetector()
    for count, token in enumerate(tokens, 1):
        yield from ((count, piece) for piece in detector.add_chunk(token))
    yield len(tokens), detector.finish()


def by_sentencex(text: str) -> list[str]:
    return list(sentencex.segment("en", text))


def pieces_of(feed: Feed) -> Callable[[str], list[str]]:
    return lambda text: [piece for _, piece in feed(split_into_tokens(text))]


def delays(texts: Sequence[KnownCuts], feed: Feed) -> Iterator[int]:
    """Yield for each piece but a text's last how many tokens it came out after its own last one."""
    for known in texts:
        tokens, letters = split_into_tokens(known.text), 0
        *pieces, _ = feed(tokens)
        for count, piece in pieces:
            letters += sum(map(str.isalnum, piece))
            written, own = 0, 0
            while written < letters:
                written += sum(map(str.isalnum, tokens[own]))
                own += 1
            while own < count and not any(map(str.isalnum, tokens[own])):  # its stop and quotes
                own += 1
            yield count - own


if __name__ == "__main__":
    main()
