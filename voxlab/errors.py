"""What can go wrong, as a tree. Catch `VoxlabError` to catch all of it.

VoxlabError
├── AudioError        a recording cannot be used
├── ScriptError       a call script cannot be used
├── DataError         a file of data/ is missing or damaged
├── ModelError        a model is missing, damaged or cannot be fetched
├── CodecError        codes, stages or latents do not fit the codec
├── TelephonyError    a packet, a key or a line's message cannot be read
├── LatencyError      a latency budget, profile or draw cannot be right
├── ProviderError     speech recognition, language model or synthesis failed
│   └── ProviderTimeout   ... gave nothing in time
├── FrameworkError    LiveKit Agents or Pipecat is missing, or cannot hold the call
├── ExerciseError     an exercise, its tests or a submission cannot be read
└── Deadlock          virtual time stands still: everybody waits for somebody

Each message says what came, what was needed and what to try.
"""

from pathlib import Path


def missing_extra(extra: str) -> str:
    """Return the command that installs an optional part, as it is typed here.

    In a checkout of voxlab that is another one than for an installed package.
    """
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        return f".venv/bin/pip install -c constraints.txt -e '.[{extra}]', in {checkout}"
    return f"pip install 'voxlab[{extra}]'"


class VoxlabError(Exception):
    """Anything voxlab refuses to do, with the reason and a way out."""


class AudioError(VoxlabError):
    """A recording is missing, empty, truncated, not finite or far too long."""


class ScriptError(VoxlabError):
    """A call script names an unknown event, file or line, or waits for itself."""


class DataError(VoxlabError):
    """A file of data/ is missing or is not what its README says."""


class ModelError(VoxlabError):
    """A model is missing, has the wrong checksum or cannot be fetched."""


class LatencyError(VoxlabError):
    """A latency is negative, percentiles are out of order, or stages wait in a circle."""


class TelephonyError(VoxlabError):
    """A packet, a telephone key or a message of the line is not what its standard says."""


class CodecError(VoxlabError):
    """Codes, stages or latents have another shape or range than the codec's."""


class ProviderError(VoxlabError):
    """A speech recogniser, language model or synthesiser failed during a call."""


class ProviderTimeout(ProviderError):
    """A provider gave nothing in the time it had."""


class FrameworkError(VoxlabError):
    """A framework's packages are missing, or its agent cannot be used as was asked."""


class ExerciseError(VoxlabError):
    """An exercise's source is broken, or what is to be graded cannot be found or read."""


class Deadlock(VoxlabError):
    """Virtual time cannot move on: no timer is set and nobody can wake the waiting tasks."""
