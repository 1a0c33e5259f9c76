"""Voice activity by Silero's network: how likely somebody speaks, one frame of 32 ms at a time.

Three ways to ask the same network, equal within 1e-5:

    SileroVAD().stream().probability(frame)     one listener, frame by frame
    speech_probabilities(audio)                 a whole recording
    SileroBatch(100).probabilities(frames)      many listeners, one frame of each

`endpointing` turns the probabilities into the start and the end of speech. On a telephone line the
network's own weights for 8 kHz hear frames of 256 samples, also 32 ms: nothing is upsampled.
Source: Silero Team, Silero VAD 6 (MIT licence), the voice activity detector of section 39.1.
"""

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from voxlab import models
from voxlab.audio import Audio, Samples
from voxlab.errors import AudioError, VoxlabError
from voxlab.models.onnx_sessions import open_session
from voxlab.models.torch_threads import inference

if TYPE_CHECKING:
    from torch import Tensor

RATE_HZ = 16_000
FRAME_SIZE = 512
FRAME_S = FRAME_SIZE / RATE_HZ  # 32 ms
CONTEXT_SIZE = 64  # samples of the previous frame that the network sees again
WINDOW_SIZE = CONTEXT_SIZE + FRAME_SIZE
MEMORY_SIZE = 128  # values in each of the LSTM's two states, h and c

GRAPH_FILE = "silero_vad_16k_sequence.onnx"  # other files of silero-vad 6.2.3 hold other weights
TELEPHONE_HZ = 8_000
GRAPH_FILES = {RATE_HZ: GRAPH_FILE, TELEPHONE_HZ: "silero_vad.onnx"}
LOUDEST_POWER = 100.0  # 20 dB above full scale: more is 16-bit numbers, not audio in [-1, 1]


# --- Silero, one frame at a time: onnxruntime -------------------------------------------------


class SileroVAD:
    """Silero's voice activity detector: one network, shared by any number of streams.

    rate_hz: 16000, or 8000 for a telephone line. Raises VoxlabError for another rate, and
    ModelError if the network's file is missing or damaged.
    """

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        if rate_hz not in GRAPH_FILES:
            raise VoxlabError(f"Silero hears 16000 or 8000 Hz, not {rate_hz}: resample to one")
        self.rate_hz = rate_hz
        self.frame_size = round(FRAME_S * rate_hz)
        self._session = open_session(models.path("silero", GRAPH_FILES[rate_hz]))

    def stream(self) -> "SileroStream":
        """Return a fresh stream that remembers nothing yet."""
        return SileroStream(self._session, self.rate_hz)


class SileroStream:
    """One listener: the network's memory and the last 4 ms of sound, between frames.

    All buffers are bound to the graph once, so that a frame costs less than a plain call of it.
    The memory that a frame leaves is what the next one reads: two bindings take turns.
    """

    def __init__(self, session: Any, rate_hz: int = RATE_HZ) -> None:
        self._run = session.run_with_iobinding
        self._rate_hz = rate_hz
        self._size, self._context = (n * rate_hz // RATE_HZ for n in (FRAME_SIZE, CONTEXT_SIZE))
        self._window = np.zeros((1, self._context + self._size), np.float32)
        self._probability = np.zeros((1, 1), np.float32)
        self._rate = np.array(rate_hz, np.int64)  # an input of the graph that has both networks
        self._memories = np.zeros((2, 2, 1, MEMORY_SIZE), np.float32)  # (turn, h or c, ...)
        first, second = self._memories
        self._next = self._bind(session, first, second)
        self._after_next = self._bind(session, second, first)

    def _bind(self, session: Any, before: Samples, after: Samples) -> Any:
        binding = session.io_binding()
        inputs: dict[str, Any] = {"input": self._window}
        if self._rate_hz == RATE_HZ:
            inputs |= {"h": before[:1], "c": before[1:]}
            outputs = {"speech_probs": self._probability[0], "hn": after[:1], "cn": after[1:]}
        else:
            inputs |= {"state": before, "sr": self._rate}
            outputs = {"output": self._probability, "stateN": after}
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return binding

    def probability(self, frame: Samples) -> float:
        """Return how likely the frame is speech, in [0, 1].

        frame: float, 32 ms: (512,) at 16 kHz, (256,) at 8 kHz. Raises AudioError, and forgets
        nothing, if it has another shape or is not finite audio in [-1, 1].
        """
        refuse_unusable(frame, (self._size,), self._rate_hz)
        window = self._window[0]
        window[: self._context] = window[self._size :]
        window[self._context :] = frame
        self._run(self._next)
        self._next, self._after_next = self._after_next, self._next
        return float(self._probability[0, 0])


def refuse_unusable(frames: Samples, shape: tuple[int, ...], rate_hz: int = RATE_HZ) -> None:
    """Raise AudioError unless frames are finite audio of that shape."""
    if not isinstance(frames, np.ndarray) or frames.shape != shape or frames.dtype.kind != "f":
        what = f"{getattr(frames, 'dtype', type(frames).__name__)} {np.shape(frames)}"
        raise AudioError(
            f"frames are {what}, need a numpy array of float32 {shape} in [-1, 1] at "
            f"{rate_hz} Hz: cut them with audio.frames, divide 16-bit samples by 32768"
        )
    if np.vdot(frames, frames) <= LOUDEST_POWER * frames.size:  # False for NaN too
        return
    strange = np.argwhere(~np.isfinite(frames))
    if len(strange):
        raise AudioError(
            f"{len(strange)} of {frames.size} samples are NaN or infinite, the first at index "
            f"{strange[0].tolist()}: send silence in their place, or try numpy.nan_to_num"
        )
    raise AudioError(
        f"samples reach {np.abs(frames).max():.0f}, full scale is 1: divide 16-bit samples by 32768"
    )


# --- Silero, many frames at a time: torch -----------------------------------------------------


class _Network:
    """Silero's network in torch, with the weights of the ONNX file.

    Its first layer is a short-time Fourier transform, so here it is an FFT. Its convolutions see
    four time steps at most, so here each is one matrix. The sums are the same, the order is not:
    it takes half the time and moves the probabilities by about 1e-6.
    """

    def __init__(self) -> None:
        import onnx
        import torch

        graph = onnx.load(str(models.path("silero", GRAPH_FILE))).graph
        arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        weights = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        lstm = next(node for node in graph.node if node.op_type == "LSTM")
        inputs, recurrent, biases = (weights[name][0] for name in lstm.input[1:4])
        self.lstm = [_torch_gates(w) for w in (inputs, recurrent, *biases.chunk(2))]
        self.fourier_window = torch.hann_window(256)
        self.layers = _convolutions_as_matrices(weights)
        self.readout = weights["output.weight"][0, :, 0], weights["output.bias"]

    def features(self, windows: "Tensor") -> "Tensor":
        """Return what the LSTM hears. windows: (frames, 576); returns (frames, 128)."""
        import torch

        padded = torch.nn.functional.pad(windows, (0, 64), mode="reflect")
        pieces = padded.unfold(1, 256, 128) * self.fourier_window  # (frames, 4, 256)
        values: Tensor = torch.fft.rfft(pieces).abs().flatten(1)  # (frames, 4 * 129)
        for matrix, bias in self.layers:
            values = torch.relu_(torch.addmm(bias, values, matrix))
        return values

    def probabilities(self, hidden: "Tensor") -> "Tensor":
        """Return (frames,) in [0, 1]. hidden: the LSTM's output, (frames, 128)."""
        import torch

        weight, bias = self.readout
        return torch.sigmoid(hidden.relu() @ weight + bias)


@cache
def _network() -> _Network:
    return _Network()


def _torch_gates(weight: "Tensor") -> "Tensor":
    """Reorder an LSTM's gates from ONNX (input, output, forget, cell) to torch (i, f, c, o)."""
    import torch

    i, o, f, c = weight.chunk(4)
    return torch.cat([i, f, c, o])


def _convolutions_as_matrices(weights: dict[str, "Tensor"]) -> "list[tuple[Tensor, Tensor]]":
    """Return the encoder's four convolutions as (matrix, bias), input values by output values.

    Convolving the identity gives the matrix. The first reads (time, channel), as the FFT
    writes; all write (channel, time), which the next one reads.
    """
    import torch

    layers, steps = [], 4
    for index, stride in enumerate((1, 2, 2, 1)):
        kernel, bias = weights[f"encoder.{index}.weight"], weights[f"encoder.{index}.bias"]
        channels = kernel.shape[1]
        identity = torch.eye(channels * steps)
        if index == 0:
            impulses = identity.view(-1, steps, channels).transpose(1, 2)
        else:
            impulses = identity.view(-1, channels, steps)
        responses = torch.nn.functional.conv1d(impulses, kernel, stride=stride, padding=1)
        steps = responses.shape[2]
        layers.append((responses.flatten(1), bias.repeat_interleave(steps)))
    return layers


CHUNK_FRAMES = 1024  # frames a pass: few enough to stay in the cache of the processor


def speech_probabilities(audio: Audio) -> Samples:
    """Return how likely each 32 ms of a recording is speech; the last frame is padded with silence.

    Returns float32 (frames,). Raises AudioError if the audio is not at 16 kHz, is shorter than
    one frame, or is far beyond full scale.
    """
    import torch

    if audio.rate_hz != RATE_HZ:
        raise AudioError(
            f"audio is at {audio.rate_hz} Hz, Silero hears {RATE_HZ} Hz: audio.resample({RATE_HZ})"
        )
    if audio.samples.size < FRAME_SIZE:
        raise AudioError(
            f"audio is too short ({audio.samples.size} samples): Silero needs a frame of "
            f"{FRAME_SIZE} ({FRAME_S * 1000:.0f} ms) at least, add silence"
        )
    refuse_unusable(audio.samples, audio.samples.shape)
    count = math.ceil(audio.samples.size / FRAME_SIZE)
    padded = torch.zeros(CONTEXT_SIZE + count * FRAME_SIZE)
    padded.numpy()[CONTEXT_SIZE : CONTEXT_SIZE + audio.samples.size] = audio.samples
    network, parts = _network(), []
    h = c = torch.zeros(1, 1, MEMORY_SIZE)
    with inference():
        for windows in torch.split(padded.unfold(0, WINDOW_SIZE, FRAME_SIZE), CHUNK_FRAMES):
            features = network.features(windows)[None]  # (batch of 1, frames, 128)
            hidden, h, c = torch.lstm(
                features, (h, c), network.lstm, True, 1, 0.0, False, False, True
            )
            parts.append(network.probabilities(hidden[0]))
        probabilities: Samples = torch.cat(parts).numpy()
    return probabilities


class SileroBatch:
    """Many listeners at once, each with a memory of its own: one call serves them all.

    streams: how many. Raises ModelError if the network's file is missing or damaged.
    """

    def __init__(self, streams: int) -> None:
        import torch

        if streams < 1:
            raise VoxlabError(f"a batch of {streams} streams hears nobody: use 1 or more")
        self._network = _network()
        self._windows = torch.zeros(streams, WINDOW_SIZE)
        self._memory = torch.zeros(streams, MEMORY_SIZE), torch.zeros(streams, MEMORY_SIZE)

    def probabilities(self, frames: Samples) -> Samples:
        """Return how likely each stream's next frame is speech.

        frames: float (streams, 512), 32 ms at 16 kHz. Returns float32 (streams,). Raises
        AudioError, and forgets nothing, if the shape differs or the audio is not finite.
        """
        import torch

        windows = self._windows.numpy()
        refuse_unusable(frames, (len(windows), FRAME_SIZE))
        windows[:, :CONTEXT_SIZE] = windows[:, FRAME_SIZE:]
        windows[:, CONTEXT_SIZE:] = frames
        with inference():
            features = self._network.features(self._windows)
            self._memory = torch.lstm_cell(features, self._memory, *self._network.lstm)
            probabilities: Samples = self._network.probabilities(self._memory[0]).numpy()
        return probabilities

    def reset(self, stream: int) -> None:
        """Forget what one stream heard: its call has ended and another takes the place."""
        with inference():
            for values in (self._windows, *self._memory):
                values[stream] = 0.0
