"""Recordings, call scripts and the shop's tables, and the utterances of the comparison."""

from voxlab.data.comparison import load_trials
from voxlab.data.recordings import (
    VOICES,
    Prompt,
    folder,
    path,
    prompts,
    shop,
    utterance,
    utterances,
    words,
)
from voxlab.data.yaml_files import read_yaml

__all__ = [
    "VOICES",
    "Prompt",
    "folder",
    "load_trials",
    "path",
    "prompts",
    "read_yaml",
    "shop",
    "utterance",
    "utterances",
    "words",
]
