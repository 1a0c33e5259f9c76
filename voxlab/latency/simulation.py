"""Simulated turns: how long the caller waits, from random draws by a max-plus recursion.

A sentence is synthesised when its text is there and the one before it is made; it is played when
its first sound is there and the one before it is over:

    synth_start[k] = max(text_ready[k], synth_end[k-1])
    play_start[k]  = max(first_byte[k], play_end[k-1])

Only maxima and sums, so a million turns are a few array operations. `agents.replayed_draws`
plays the same draws through the real agent; the two agree to the bit. Source: chapter 39.1.4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxlab.latency.budgets import Budget, Span, Stage
from voxlab.latency.provider_latencies import Array
from voxlab.latency.random_turns import TurnDraws, TurnModel, draw_turns

CHUNK = 1 << 14  # turns at a time: their arrays stay in the processor's cache
NEVER_S = -np.inf  # when something happens that does not happen: no maximum notices it


@dataclass(frozen=True, slots=True)
class Techniques:
    """What chapter 39.1.4 does about latency, one switch each.

    streaming: sentence by sentence, each played from its first sound on; else the whole answer is
    written, then synthesised, then played. speculative_stt: the recogniser is asked at the first
    pause, while it is not yet sure that the turn is over; else when it is. prewarmed: connections
    to the model and the voice are open. tool: the model asks for a tool and is asked again.
    filler: words over the tool, if it takes longer than filler_after_s.

    The next three are the agent's head start. early_stt: the recogniser is asked at the first
    silence (doubt_s), long before it is a pause; once more at the pause, to be sure. preemptive:
    model, voice and a tool that only reads begin with the words, and are heard once the turn is
    over. early_filler: a slow tool is known to be slow, and its filler comes at once, from a cache.
    """

    streaming: bool = True
    speculative_stt: bool = True
    prewarmed: bool = True
    tool: bool = False
    filler: bool = True
    early_stt: bool = False
    preemptive: bool = False
    early_filler: bool = False


NAIVE = Techniques(streaming=False, speculative_stt=False, prewarmed=False, filler=False)


class Chunk(NamedTuple):
    """A piece of text on its way to be spoken, in every turn; float64 (turns,) each.

    ready_s: when its text is there, NEVER_S in a turn without it. first_audio_s, synthesis_s: from
    the start of its synthesis to its first and its last sound. speech_s: how long it lasts.
    """

    ready_s: Array
    first_audio_s: Array
    synthesis_s: Array
    speech_s: Array


@dataclass(frozen=True, slots=True)
class TurnTimings:
    """When everything happened, in seconds after the caller's last sound, where the agent is.

    float64 (turns,); the last five (chunks, turns), the filler first if there is one; NEVER_S for
    a chunk that a turn does not have. downlink_s: from the agent to the caller's ear. begun_s: when
    the model is asked, before commit_s if that is preemptive.
    """

    downlink_s: Array
    end_of_turn_s: Array
    stt_start_s: Array
    transcript_s: Array
    commit_s: Array
    begun_s: Array
    first_token_s: Array
    tool_end_s: Array
    answer_token_s: Array
    synth_start_s: Array
    first_byte_s: Array
    synth_end_s: Array
    play_start_s: Array
    play_end_s: Array

    @property
    def ttfb_s(self) -> Array:
        """Seconds from the caller's last sound to the first that the caller hears: (turns,)."""
        starts_s = np.where(self.first_byte_s > NEVER_S, self.play_start_s, np.inf)
        first_s: Array = starts_s[:2].min(axis=0)  # the first may be a filler that is not needed
        return first_s + self.downlink_s

    @property
    def total_s(self) -> Array:
        """Seconds from the caller's last sound to the last that the caller hears: (turns,)."""
        last_s: Array = self.play_end_s[-1]
        return last_s + self.downlink_s

    @property
    def longest_silence_s(self) -> Array:
        """The longest stretch in which nobody is heard: before the first sound, or later."""
        begun = self.play_end_s[:-1] > NEVER_S
        gaps_s = np.subtract(
            self.play_start_s[1:], self.play_end_s[:-1], where=begun, out=np.zeros(begun.shape)
        )
        longest_s: Array = np.maximum(self.ttfb_s, gaps_s.max(axis=0, initial=0.0))
        return longest_s

    def spans(self, turn: int = 0) -> tuple[Span, ...]:
        """Return one turn's stages at work, as a budget has them; the voice where it is heard."""
        times_s = {name: float(getattr(self, name)[turn]) for name in _TIMES}
        spans = [
            Span("silence", 0.0, times_s["end_of_turn_s"], times_s["end_of_turn_s"]),
            Span("STT", times_s["stt_start_s"], times_s["transcript_s"], times_s["transcript_s"]),
            Span("LLM", times_s["begun_s"], times_s["first_token_s"], times_s["first_token_s"]),
        ]
        if times_s["tool_end_s"] > NEVER_S:
            end_s, answer_s = times_s["tool_end_s"], times_s["answer_token_s"]
            spans += [Span("tool", times_s["first_token_s"], end_s, end_s)]
            spans += [Span("LLM", end_s, answer_s, answer_s)]
        synthesis = (self.synth_start_s, self.first_byte_s, self.synth_end_s)
        heard = (self.play_start_s + self.downlink_s, self.play_end_s + self.downlink_s)
        for k in np.flatnonzero(self.first_byte_s[:, turn] > NEVER_S):
            start_s, end_s = (float(array[k, turn]) for array in heard)
            spans.append(Span("TTS", *(float(array[k, turn]) for array in synthesis)))
            spans.append(Span("voice", start_s, start_s, end_s))
        return tuple(spans)

    def budget(self, turn: int = 0, target_s: float = 0.5) -> Budget:
        """Return one turn's wait for the first sound as a budget: what followed what."""
        times_s = {"silence": self.end_of_turn_s, "STT": self.commit_s, "LLM": self.first_token_s}
        spoken = self.first_byte_s[:, turn] > NEVER_S
        first = int(np.argmax(spoken))
        if self.synth_start_s[first, turn] >= self.answer_token_s[turn]:  # not a filler
            tool = {"tool": self.tool_end_s, "LLM again": self.answer_token_s}
            times_s |= tool if self.tool_end_s[turn] > NEVER_S else {}
            times_s["sentence"] = self.synth_start_s[first]
        else:
            times_s["patience"] = self.synth_start_s[first]
        times_s["TTS"] = self.play_start_s[first]
        times_s["downlink"] = self.ttfb_s
        ends_s = np.maximum.accumulate([float(ends[turn]) for ends in times_s.values()])
        lasts_s = np.diff(ends_s, prepend=0.0)
        stages = [Stage(name, float(s)) for name, s in zip(times_s, lasts_s, strict=True)]
        return Budget(f"turn {turn}", target_s, tuple(stages))


_TIMES = (
    *("end_of_turn_s", "stt_start_s", "transcript_s", "begun_s", "first_token_s"),
    *("tool_end_s", "answer_token_s"),
)


def simulate(draws: TurnDraws, techniques: Techniques | None = None) -> TurnTimings:
    """Compute every turn from its draws. techniques: all but the tool, if None."""
    on = techniques or Techniques()
    paused_s = draws.uplink_s + draws.vad_silence_s
    end_of_turn_s = np.maximum(paused_s, draws.uplink_s + draws.end_silence_s)
    stt_start_s = paused_s if on.speculative_stt else end_of_turn_s
    doubted_s = draws.uplink_s + draws.doubt_s
    guesses = doubted_s < stt_start_s if on.early_stt else np.zeros(len(draws), bool)
    guess_s = np.where(guesses, doubted_s + draws.stt_s, NEVER_S)
    transcript_s = np.maximum(stt_start_s, guess_s) + draws.stt_s
    commit_s = np.maximum(end_of_turn_s, transcript_s)
    begun_s = np.where(guesses, guess_s, transcript_s) if on.preemptive else commit_s
    connected_s = begun_s if on.prewarmed else begun_s + draws.llm_connect_s
    first_token_s = connected_s + draws.llm_first_token_s
    tool_end_s, answer_token_s = np.full(len(draws), NEVER_S), first_token_s
    if on.tool:
        tool_end_s = first_token_s + draws.tool_s
        answer_token_s = tool_end_s + draws.llm_after_tool_s
    chunks = _streamed(draws, answer_token_s) if on.streaming else _whole(draws, answer_token_s)
    if on.tool and on.filler:
        may_fill_s = np.maximum(first_token_s, commit_s)  # kept back till then
        chunks.insert(0, _filler(draws, may_fill_s, tool_end_s, on))
    if not on.prewarmed and not (on.tool and on.filler and on.early_filler):
        _connect(chunks, draws.tts_connect_s)
    return TurnTimings(
        draws.downlink_s,
        end_of_turn_s,
        stt_start_s,
        transcript_s,
        commit_s,
        begun_s,
        first_token_s,
        tool_end_s,
        answer_token_s,
        *_speak(chunks, commit_s),
    )


def _streamed(draws: TurnDraws, answer_token_s: Array) -> list[Chunk]:
    """A chunk a sentence: its text is there with its last word."""
    chunks, words = [], -1
    for k, count in enumerate(draws.words):
        words = words + count
        exists = count > 0
        chunks.append(
            Chunk(
                np.where(exists, answer_token_s + words * draws.word_s, NEVER_S),
                np.where(exists, draws.tts_first_audio_s[k], NEVER_S),
                draws.tts_synthesis_s[k],
                draws.speech_s[k],
            )
        )
    return chunks


def _whole(draws: TurnDraws, answer_token_s: Array) -> list[Chunk]:
    """One chunk: the whole text, and no sound before the last of it is made."""
    ready_s = answer_token_s + (draws.words.sum(axis=0) - 1) * draws.word_s
    made_s = np.maximum(draws.tts_first_audio_s[0], draws.tts_synthesis_s.sum(axis=0))
    return [Chunk(ready_s, made_s, made_s, draws.speech_s.sum(axis=0))]


def _filler(draws: TurnDraws, may_fill_s: Array, tool_end_s: Array, on: Techniques) -> Chunk:
    """The filler, in the turns whose tool is slow enough; a cached one takes no time."""
    needed = tool_end_s - may_fill_s > draws.filler_after_s
    patience_s = 0.0 if on.early_filler else draws.filler_after_s
    first_audio_s, synthesis_s = draws.filler_first_audio_s, draws.filler_synthesis_s
    if on.early_filler:
        first_audio_s = synthesis_s = np.zeros(len(draws))
    if not on.streaming:
        first_audio_s = np.maximum(first_audio_s, synthesis_s)
    return Chunk(
        np.where(needed, may_fill_s + patience_s, NEVER_S),
        np.where(needed, first_audio_s, NEVER_S),
        np.where(needed, synthesis_s, 0.0),
        np.where(needed, draws.filler_speech_s, 0.0),
    )


def _connect(chunks: list[Chunk], connect_s: Array) -> None:
    """Let the first chunk of each turn wait for a connection."""
    waiting = np.ones(connect_s.shape, bool)
    for k, chunk in enumerate(chunks[:2]):  # the first, or the one after a filler not needed
        wait_s = np.where(waiting & (chunk.ready_s > NEVER_S), connect_s, 0.0)
        waiting &= chunk.ready_s == NEVER_S
        # the synthesis takes no less than the first sound: first_audio_s may be the longer one
        made_s = np.maximum(chunk.first_audio_s, chunk.synthesis_s)
        chunks[k] = chunk._replace(
            first_audio_s=chunk.first_audio_s + wait_s, synthesis_s=made_s + wait_s
        )


def _speak(chunks: Iterable[Chunk], commit_s: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return synth_start, first_byte, synth_end, play_start and play_end, (chunks, turns) each.

    Before the turn is committed, one sentence is made and none is heard.
    """
    chunks = tuple(chunks)
    shape = (len(chunks), chunks[0].ready_s.size)
    synth_start, first_byte, synth_end, play_start, play_end = (np.empty(shape) for _ in range(5))
    synthesised = played = np.full(shape[1], NEVER_S)
    for k, chunk in enumerate(chunks):
        held_s = np.where(synthesised > NEVER_S, np.maximum(synthesised, commit_s), NEVER_S)
        np.maximum(chunk.ready_s, held_s, out=synth_start[k])
        np.add(synth_start[k], chunk.first_audio_s, out=first_byte[k])
        busy_s = np.maximum(chunk.first_audio_s, chunk.synthesis_s)
        synthesised = np.add(synth_start[k], busy_s, out=synth_end[k])
        heard_s = np.where(first_byte[k] > NEVER_S, np.maximum(first_byte[k], commit_s), NEVER_S)
        np.maximum(heard_s, played, out=play_start[k])
        played = np.add(play_start[k], chunk.speech_s, out=play_end[k])
    return synth_start, first_byte, synth_end, play_start, play_end


# --- many turns ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waits:
    """What callers feel in many turns, in seconds: float64 (turns,) each.

    ttfb_s: until the first sound. total_s: until the last. longest_silence_s: without any sound.
    """

    ttfb_s: Array
    total_s: Array
    longest_silence_s: Array


def monte_carlo(
    model: TurnModel,
    turns: int,
    rng: np.random.Generator,
    techniques: Techniques | None = None,
) -> Waits:
    """Draw and compute many turns, some thousands at a time.

    Generators in the same state give the same luck to every model and all techniques.
    """
    waits = Waits(*(np.empty(turns) for _ in range(3)))
    for start in range(0, turns, CHUNK):
        size = min(CHUNK, turns - start)
        timings = simulate(draw_turns(model, size, rng), techniques)
        waits.ttfb_s[start : start + size] = timings.ttfb_s
        waits.total_s[start : start + size] = timings.total_s
        waits.longest_silence_s[start : start + size] = timings.longest_silence_s
    return waits
