"""SmolLM2's engine computes what the papers say, and its cache changes nothing but the time."""

import io

import numpy as np
import pytest
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_llama import LAYERS, MATRICES, TOKENS, PlainLlama, write_tiny

from voxlab.errors import ModelError, ProviderError
from voxlab.models.llama_export import PRODUCTS_OF_FLOATS, export_llama
from voxlab.providers.smollm import adapter
from voxlab.providers.smollm.adapter import ALPHA
from voxlab.providers.smollm.adapter import MATRICES as ADAPTED
from voxlab.providers.smollm.decoder import Read, SmolLMDecoder, log_softmax
from voxlab.providers.smollm.tokenizer import load_tokenizer

NAMES = dict(zip(MATRICES, ("q", "k", "v", "o", "gate", "up", "down"), strict=True))
TOLERANCE = 1e-3  # of logits that spread by about 8

TEXT = [3, 14, 15, 9, 26, 5, 35, 8, 9, 79, 32, 3]

TOKENS_OF = {  # by the package tokenizers 0.23.3 with the same vocabulary
    "Hello, this is Acme.": "19556 28 451 314 3536 1558 30",
    "order 48213, they've said it's": "2559 216 36 40 34 33 35 28 502 3543 1137 357 506",
    "  two spaces, a tab\tand\n\nlines  \n": "216 827 5600 28 253 10147 197 397 198 198 5110 32057",
    "naïve café — “quoted”… über": "3546 46494 37366 1841 619 385 5036 573 2829 5549 137 593",
    "seven_on_friday __init__ x_1": "27867 79 258 79 86 31747 2758 2563 890 1792 79 33",
    "½ Ⅷ ² ٣ 一二 are": "16738 216 173 223 117 216 19133 216 164 113 216 22924 16736 230 359",
    "日本語の 🙂👍": "23274 115 40993 179 120 248 26453 47526 10813 235 231",
    "<|im_start|>user\nHi.<|im_end|>\n": "1 4093 198 26843 30 2 198",
    '{"book_table": {"day": "Fri"}}': "39428 3767 79 6413 1799 9583 1222 1799 476 54 431 18 17859",
    "don't 'tis we're I'm": "12420 982 637 34818 392 2316 339 5248",
    "": "",
    "a": "81",
    "      ": "5013",
    "nbsp\xa0 \u200bzero": "94 32093 15442 459 229 13723",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random network: the reader of its GGUF file, and its ONNX file."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(folder / "tiny.gguf", np.random.default_rng(7))
    reader = GGUFReader(folder / "tiny.gguf")
    export_llama(reader, folder / "tiny.onnx", PRODUCTS_OF_FLOATS)
    return reader, folder / "tiny.onnx"


@pytest.fixture
def decoder(tiny):
    return SmolLMDecoder(file=tiny[1], longest=64)


def test_logits_are_those_of_the_forward_pass_in_float64(tiny, decoder):
    expected = PlainLlama.of(tiny[0]).logits(TEXT)
    assert np.std(expected) > 1
    for place in range(len(TEXT)):
        logits = decoder.prefill(TEXT[: place + 1])
        np.testing.assert_allclose(logits, expected[place], atol=TOLERANCE)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    texts=st.lists(st.lists(st.integers(0, TOKENS - 1), min_size=1, max_size=40), max_size=4),
    chunk=st.integers(1, 40),
)
def test_whatever_is_in_the_cache_the_logits_are_those_of_the_text(tiny, texts, chunk):
    used, plain = SmolLMDecoder(file=tiny[1], longest=64), PlainLlama.of(tiny[0])
    for text in [*texts, TEXT]:
        used.prefill(text[:chunk])
        np.testing.assert_allclose(used.prefill(text), plain.logits(text)[-1], atol=TOLERANCE)
        assert used.tokens == text


def test_a_text_that_begins_like_the_last_is_read_from_where_it_differs(decoder):
    decoder.prefill(TEXT)
    assert decoder.read([*TEXT[:5], 77, 78]) == Read(count=2, after=5, left=0)
    assert decoder.tokens == [*TEXT[:5], 77, 78]


def test_a_text_read_before_is_read_again_only_at_its_last_token(decoder):
    logits = decoder.prefill(TEXT)
    again = decoder.read(TEXT)
    assert again == Read(count=1, after=len(TEXT) - 1, left=0)
    np.testing.assert_allclose(again.logits, logits, atol=TOLERANCE)


def test_a_long_text_is_read_in_runs_between_which_one_can_stop(tiny):
    decoder = SmolLMDecoder(file=tiny[1], longest=200)
    long = [n % TOKENS for n in range(150)]
    assert decoder.read(long) == Read(count=64, after=0, left=86)
    assert decoder.read(long) == Read(count=64, after=64, left=22)
    assert decoder.read(long[:100]) == Read(count=1, after=99, left=0)


def test_a_cache_is_copied_as_far_as_it_serves(tiny, decoder):
    other = SmolLMDecoder(file=tiny[1], longest=64)
    logits = other.prefill(TEXT)
    decoder.take_over(other, [*TEXT[:8], 50])
    other.prefill([50] * 20)
    rest = decoder.read(TEXT)
    assert rest == Read(count=len(TEXT) - 8, after=8, left=0)
    np.testing.assert_allclose(rest.logits, logits, atol=TOLERANCE)


@pytest.mark.parametrize("read_before", [TEXT[:4], TEXT[:2], [*TEXT[:3], 50, 51], TEXT, []])
def test_likelihoods_are_the_softmax_of_the_logits_before_each_token(tiny, decoder, read_before):
    logits = PlainLlama.of(tiny[0]).logits(TEXT)
    expected = [log_softmax(logits[n - 1])[TEXT[n]] for n in range(4, len(TEXT))]
    if read_before:
        decoder.prefill(read_before)
    np.testing.assert_allclose(
        decoder.log_likelihoods(TEXT[4:], TEXT[:4]), expected, atol=TOLERANCE
    )


def test_a_second_text_behind_the_same_one_takes_one_run(decoder, monkeypatch):
    runs, run = [], decoder._run
    monkeypatch.setattr(decoder, "_run", lambda *what: runs.append(len(what[0])) or run(*what))
    decoder.log_likelihoods([7, 7, 7], TEXT[:6])
    decoder.log_likelihoods([9, 9], TEXT[:6])
    assert runs == [5, 3, 2]


def test_a_likelihood_after_nothing_is_refused(decoder):
    decoder.prefill(TEXT)
    with pytest.raises(ProviderError, match="what is given is empty"):
        decoder.log_likelihoods(TEXT, [])


def write_adapter(file, rng, **changed):
    """Write low-rank changes for every matrix of the tiny network; return them by name."""
    arrays = {}
    for layer in range(LAYERS):
        for name, (outputs, inputs) in MATRICES.items():
            arrays[f"blocks.{layer}.{NAMES[name]}.a"] = rng.normal(size=(3, inputs))
            arrays[f"blocks.{layer}.{NAMES[name]}.b"] = rng.normal(size=(outputs, 3)) / 20
    halves = {name: array.astype(np.float16) for name, array in arrays.items()} | changed
    np.savez(file, **halves)
    return halves


@pytest.mark.parametrize("alpha", [None, 6.0])
def test_an_adapter_is_the_network_with_the_changes_merged_into_it(tiny, tmp_path, alpha):
    told = {} if alpha is None else {"alpha": np.array(alpha)}
    arrays = write_adapter(tmp_path / "adapter.npz", np.random.default_rng(8), **told)
    plain = PlainLlama.of(tiny[0])
    unchanged = plain.logits(TEXT)[-1]
    for layer in range(LAYERS):
        for name, short in NAMES.items():
            a, b = (arrays[f"blocks.{layer}.{short}.{side}"].astype(float) for side in "ab")
            change = (alpha or ALPHA) / 3 * b @ a
            if name in ("attn_q", "attn_k"):  # as llama.cpp orders its rows
                change = change.reshape(-1, 2, 16, 64).swapaxes(1, 2).reshape(change.shape)
            plain.weights[f"blk.{layer}.{name}"] += change
    changed = plain.logits(TEXT)[-1]
    assert np.abs(changed - unchanged).max() > 100 * TOLERANCE
    adapted = SmolLMDecoder(tmp_path / "adapter.npz", file=tiny[1], longest=64)
    np.testing.assert_allclose(adapted.prefill(TEXT), changed, atol=TOLERANCE)


def test_an_adapter_of_6_bits_is_within_half_a_step_of_what_was_learned(tiny, tmp_path):
    arrays = write_adapter(tmp_path / "floats.npz", np.random.default_rng(8))
    learned = {name: array.astype(np.float32) for name, array in arrays.items()}
    adapter.write_adapter(tmp_path / "bytes.npz", learned)
    sizes = {"qkv_0": (64, 128)}
    floats, bytes_ = (
        adapter.read_adapter(tmp_path / f"{name}.npz", sizes) for name in ("floats", "bytes")
    )
    for name, expected in floats.items():
        half_a_step = np.abs(expected).max() / (2 * adapter.LEVELS)
        assert np.abs(bytes_[name] - expected).max() <= half_a_step + 1e-6
    assert (tmp_path / "bytes.npz").stat().st_size < (tmp_path / "floats.npz").stat().st_size


def test_the_network_that_learns_is_the_one_that_answers(tiny, tmp_path):
    import torch

    from voxlab.providers.smollm.packs import Branch, lay
    from voxlab.providers.smollm.train import read_network

    arrays = write_adapter(tmp_path / "adapter.npz", np.random.default_rng(8))
    gguf = tiny[1].with_suffix(".gguf")
    network = read_network(gguf, rank=3, first=0, dtype=torch.float32)
    places = [*range(len(TEXT) - 1)]
    seen = [place + 1 for place in places]
    branch = Branch(TEXT[1:], places, [0] * len(places), seen, places[-1:], [0])
    pack = lay(TEXT[:1], [[branch]])
    with torch.no_grad():
        for name, matrix in network.adapter().items():
            matrix.copy_(torch.from_numpy(arrays[name]))
        learned = network(pack)[0].numpy()
    answers = SmolLMDecoder(tmp_path / "adapter.npz", file=tiny[1], longest=64).prefill(TEXT)
    np.testing.assert_allclose(learned, answers, atol=TOLERANCE)


def test_the_parts_of_an_adapter_are_the_parts_of_the_network():
    from voxlab.models.llama_export import PARTS

    named = {part: tuple(NAMES[name] for name in names) for part, names in PARTS.items()}
    assert named == ADAPTED


def test_an_adapter_for_another_network_is_refused(tiny, tmp_path):
    wrong = {"blocks.1.q.a": np.zeros((3, 32))}
    write_adapter(tmp_path / "wrong.npz", np.random.default_rng(8), **wrong)
    with pytest.raises(ModelError, match=r"wrong\.npz does not fit the network at qkv_1.*q, k, v"):
        SmolLMDecoder(tmp_path / "wrong.npz", file=tiny[1], longest=64)


def test_a_file_that_is_no_adapter_is_refused(tiny, tmp_path):
    (tmp_path / "notes.npz").write_text("no arrays")
    with pytest.raises(ModelError, match=r"cannot read the adapter .*notes\.npz"):
        SmolLMDecoder(tmp_path / "notes.npz", file=tiny[1], longest=64)


def damage(arrays):
    """Return a compressed adapter with bytes that are no compressed data."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    content = bytearray(packed.getvalue())
    content[60:80] = b"\xff" * 20
    return bytes(content)


@pytest.mark.parametrize("kind", ["damaged", "one array", "rank 0", "two alphas"])
def test_a_damaged_or_odd_adapter_is_refused_by_its_name(tiny, tmp_path, kind):
    file = tmp_path / "odd.npz"
    arrays = write_adapter(file, np.random.default_rng(8))
    if kind == "damaged":
        file.write_bytes(damage(arrays))
    elif kind == "one array":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3))
    elif kind == "rank 0":
        np.savez(
            file, **{name: a[:0] if name[-1] == "a" else a[:, :0] for name, a in arrays.items()}
        )
    else:
        np.savez(file, **arrays, alpha=np.zeros(2))
    with pytest.raises(ModelError, match=r"adapter .*odd\.npz"):
        SmolLMDecoder(file, file=tiny[1], longest=64)


@pytest.mark.parametrize("length", [0, 65])
def test_a_text_that_does_not_fit_into_the_cache_is_refused(decoder, length):
    with pytest.raises(ProviderError, match=f"{length} tokens .* 1 to 64"):
        decoder.feed([5] * length)


@pytest.mark.parametrize("text", TOKENS_OF)
def test_tokens_are_those_of_the_package_tokenizers(text):
    assert load_tokenizer().encode(text) == [int(n) for n in TOKENS_OF[text].split()]


@pytest.mark.slow
@given(st.text(st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs", "Cn", "Cc"])))
def test_decoding_gives_back_any_text(text):
    tokenizer = load_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bytes_that_no_token_has_are_left_out():
    tokenizer = load_tokenizer()
    assert tokenizer.decode(tokenizer.encode("a\x04b")) == "ab"


@pytest.mark.slow
def test_the_fetched_network_knows_the_capital_of_france():
    from voxlab.providers.protocols import Message
    from voxlab.providers.smollm.prompt import END, render_prompt

    tokenizer, decoder = load_tokenizer(), SmolLMDecoder()
    asked = [
        Message("system", "Answer in one short sentence."),
        Message("user", "What is the capital of France?"),
    ]
    logits, answer = decoder.prefill(tokenizer.encode(render_prompt(asked))), []
    while (token := int(logits.argmax())) != tokenizer.special[END]:
        answer.append(token)
        logits = decoder.feed([token])
    assert tokenizer.decode(answer) == "The capital of France is Paris."
