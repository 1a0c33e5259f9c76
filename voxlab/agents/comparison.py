"""Put the twenty utterances of `voxlab.data.comparison` to an agent: one call each, one answer."""

import sqlite3
from collections.abc import Callable, Iterable

from tqdm import tqdm

from voxlab import data
from voxlab.agents.callers.script import CallScript, parse_script
from voxlab.agents.calls import Party, play
from voxlab.agents.shop import Shop
from voxlab.data.comparison import HeldTrial, Trial, dump_database

STARTS = "1 s after the call starts"  # nobody greets
HANG_UP = "2.5 s after the agent stops"  # a filler and its answer may lie so far apart
PATIENCE_S = 12.0

MakeAgent = Callable[[sqlite3.Connection], Party]


def hold_trial(trial: Trial, make_agent: MakeAgent, *, live: bool = False) -> HeldTrial:
    """Put an utterance to an agent that has a fresh shop to itself.

    make_agent: takes the shop's database; the agent must not greet. live: in real time.
    """
    database = data.shop()
    call = play(make_script(trial), make_agent(database), live=live)
    return HeldTrial(trial, call, dump_database(database), make_wanted_shop(trial))


def hold_trials(
    each: Iterable[Trial], make_agent: MakeAgent, *, live: bool = False
) -> list[HeldTrial]:
    """Put utterances to an agent one after another, with a progress bar in a terminal."""
    bar = tqdm([*each], desc="calls", unit=" calls", disable=None)
    return [hold_trial(trial, make_agent, live=live) for trial in bar]


def make_script(trial: Trial) -> CallScript:
    """Return the call: the utterance, and silence until the agent has answered."""
    line = {"say": trial.utterance.id, "voice": trial.utterance.voice, "at": STARTS}
    about = {"title": trial.id, "hang_up": HANG_UP, "patience_s": PATIENCE_S}
    return parse_script({**about, "lines": [line]})


def make_wanted_shop(trial: Trial) -> str:
    """Return the shop as it should be after the call, see `dump_database`."""
    database = data.shop()
    if trial.does:
        getattr(Shop(database), trial.does)(**trial.arguments)
    return dump_database(database)
