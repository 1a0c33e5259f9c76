"""The recordings that train the mini codec, as `data/make/codec_corpus.py` lays them out.

They are not in the repository: the script fetches them from Debian's packages into the cache.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxlab import models
from voxlab.audio import Audio
from voxlab.codec.split import Clip, Split, split
from voxlab.errors import DataError
from voxlab.samples import from_int16

RATE_HZ = 16_000
INDEX, SOUND = "index.json", "sound.i16"  # what the clips are; their samples, end to end


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of the corpus (or its music): where it comes from and how it may be used.

    role: "train"; "unseen", kept for testing; or "music", mixed under speech. narrow: recorded at
    8 kHz.
    """

    name: str
    role: str
    source: str
    licence: str
    credit: str
    narrow: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Corpus:
    """All clips of the corpus, their speakers by name, and their samples, int16 at 16 kHz."""

    clips: tuple[Clip, ...]
    speakers: Mapping[str, Speaker]
    held_out_names: frozenset[str]
    sound: NDArray[np.int16]

    def samples(self, clip: Clip) -> NDArray[np.int16]:
        """Return a clip's samples, int16 (samples,)."""
        return self.sound[clip.start : clip.start + clip.samples]

    def audio(self, clip: Clip) -> Audio:
        """Return a clip as a recording."""
        return Audio(from_int16(self.samples(clip)), RATE_HZ)

    def split(self) -> Split:
        """Split the speech (not the music) into training and test clips."""
        speech = [clip for clip in self.clips if self.speakers[clip.speaker].role != "music"]
        unseen = [name for name, speaker in self.speakers.items() if speaker.role == "unseen"]
        return split(speech, self.held_out_names, unseen)

    def music(self) -> tuple[Clip, ...]:
        """Return the clips of music."""
        return tuple(c for c in self.clips if self.speakers[c.speaker].role == "music")


def folder() -> Path:
    """Return where the corpus lies: codec_corpus/ in voxlab's cache."""
    return models.cache_dir().with_name("codec_corpus")


def load(place: Path | None = None) -> Corpus:
    """Return the corpus; its samples stay on disk until they are used.

    Raises DataError if it was not fetched, or its files do not fit each other.
    """
    place = place or folder()
    try:
        index = json.loads((place / INDEX).read_text("utf-8"))
        clips = tuple(Clip(**entry) for entry in index["clips"])
        speakers = {entry["name"]: Speaker(**entry) for entry in index["speakers"]}
        sound = np.memmap(place / SOUND, np.int16, "r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"no corpus in {place}: {error}. On Debian or Ubuntu run "
            "python data/make/codec_corpus.py"
        ) from error
    end = max((clip.start + clip.samples for clip in clips), default=0)
    if end != sound.size or not clips:
        raise DataError(
            f"{place / SOUND} holds {sound.size} samples, its index tells of {end}: "
            "run python data/make/codec_corpus.py again"
        )
    return Corpus(clips, speakers, frozenset(index["held_out_names"]), sound)


def save(
    place: Path,
    recordings: Sequence[tuple[Clip, NDArray[np.int16]]],
    speakers: Sequence[Speaker],
    held_out_names: Sequence[str],
) -> None:
    """Write a corpus into a folder; each clip is given the place of its samples."""
    place.mkdir(parents=True, exist_ok=True)
    clips, start = [], 0
    with (place / SOUND).open("wb") as file:
        for clip, samples in recordings:
            file.write(samples.astype("<i2").tobytes())
            clips.append(asdict(clip) | {"start": start, "samples": samples.size})
            start += samples.size
    index = {
        "clips": clips,
        "speakers": [asdict(speaker) for speaker in speakers],
        "held_out_names": sorted(held_out_names),
    }
    (place / INDEX).write_text(json.dumps(index, ensure_ascii=False, indent=0), "utf-8")
