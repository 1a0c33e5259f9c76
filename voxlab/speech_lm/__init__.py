"""A language model that speaks: text and the codec's codes in one vocabulary, one model for both.

`vocabulary` gives every token its number, `patterns` brings K codes a frame into the order of a
language model, `network` predicts them in four ways, `speaking` lets it choose its own. `digits` is
what the small model here reads aloud (`reader`), `train` how it learned to, `comparison` what each
of the four ways reached. `style` tells from the codes how something was said.
"""

from voxlab.speech_lm.reader import DigitReader
from voxlab.speech_lm.style import WhisperProbe
from voxlab.speech_lm.vocabulary import JointVocabulary

__all__ = ["DigitReader", "JointVocabulary", "WhisperProbe"]
