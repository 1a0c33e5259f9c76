"""Have Moonshine hear every utterance of data/callers/, and record the word error rates.

    python data/make/check_callers.py

Needs the models (voxlab models).
"""

from readme import replace_section

from voxlab import data
from voxlab.evaluation.word_errors import word_error_rate, word_errors
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.text import spoken_words


def main() -> None:
    """Write the table "heard" of data/README.md."""
    stt = MoonshineSTT(partial_every_s=None)
    rates, differences = [], []
    for voice in data.VOICES:
        spoken = [data.utterance(id, voice) for id in data.utterances()]
        heard = [stt.recognize(utterance.audio) for utterance in spoken]
        said = [utterance.text for utterance in spoken]
        words = sum(len(spoken_words(text)) for text in said)
        rates.append(f"| {voice} | {words} | {word_error_rate(said, heard):.1%} |")
        for utterance, text in zip(spoken, heard, strict=True):
            if word_errors(utterance.text, text).errors:
                differences.append(f"| {voice}/{utterance.id} | {utterance.text} | {text} |")
    table = ["| voice | words | word error rate |", "|---|---|---|", *rates, ""]
    table += ["| heard otherwise | said | heard |", "|---|---|---|", *differences]
    replace_section("heard", table)
    print("\n".join(table))


if __name__ == "__main__":
    main()
