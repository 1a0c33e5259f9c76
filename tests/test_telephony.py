"""G.711: against the standard library's implementation and by the law's own arithmetic."""

import warnings

import numpy as np
import pytest

from voxlab.telephony.g711 import ALAW, MULAW, Companding

LAWS = [MULAW, ALAW]
EVERY_VALUE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = bytes(range(256))


def oracle():
    """Return audioop, which left the standard library in Python 3.13."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pytest.importorskip("audioop")


@pytest.mark.parametrize(("law", "name"), [(MULAW, "lin2ulaw"), (ALAW, "lin2alaw")])
def test_every_16_bit_value_gets_the_code_of_the_standard_library(law: Companding, name: str):
    expected = getattr(oracle(), name)(EVERY_VALUE.tobytes(), 2)
    assert law.encode(EVERY_VALUE.astype(np.float32) / 32768) == expected


@pytest.mark.parametrize(("law", "name"), [(MULAW, "ulaw2lin"), (ALAW, "alaw2lin")])
def test_every_code_gets_the_value_of_the_standard_library(law: Companding, name: str):
    expected = np.frombuffer(getattr(oracle(), name)(EVERY_CODE, 2), np.int16)
    np.testing.assert_array_equal(law.decode(EVERY_CODE) * 32768, expected)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_decoding_and_encoding_again_gives_the_same_code(law: Companding):
    again = law.encode(law.decode(EVERY_CODE))
    minus_zero = {MULAW: b"\x7f"}.get(law)  # mu-law has two zeros, of which the positive is sent
    differing = {bytes([was]) for was, now in zip(EVERY_CODE, again, strict=True) if was != now}
    assert differing == ({minus_zero} if minus_zero else set())


@pytest.mark.parametrize(("law", "bias", "smallest"), [(MULAW, 4 * 33, 4), (ALAW, 0, 8)])
def test_the_error_is_half_a_step_of_the_segment_at_most(law: Companding, bias: int, smallest: int):
    error = np.abs(law.decode(law.encode(EVERY_VALUE / 32768)) * 32768 - EVERY_VALUE)
    size = np.abs(EVERY_VALUE.astype(int))
    # 16 steps in each doubling: half a step is a 32nd; mu-law drops two bits before, which is 4
    allowed = np.maximum((size + bias) / 32 + (4 if bias else 0), smallest)
    inside = size < 0.98 * 32768
    assert (error[inside] <= allowed[inside]).all()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_louder_sound_never_decodes_to_a_quieter_one(law: Companding):
    decoded = law.decode(law.encode(EVERY_VALUE.astype(np.float32) / 32768))
    assert (np.diff(decoded) >= 0).all()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_what_is_beyond_full_scale_is_clipped(law: Companding):
    assert law.encode(np.array([9.0, -9.0], np.float32)) == law.encode(
        np.array([1.0, -1.0], np.float32)
    )
