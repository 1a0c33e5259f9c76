"""A sound file is read whole or refused: whatever its header says, no sample is lost unsaid."""

import contextlib
import io
import re

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.errors import AudioError

RATE_HZ = 16_000
SAMPLES = (np.sin(np.arange(1601) / 10) * 9000).astype(np.int16)
PCM = SAMPLES.astype("<i2").tobytes()
HIDDEN = bytes.fromhex(
    "000000001000800000aa00389b71"
)  # what follows a format tag in an extensible one
FORMATS = {  # what stands before the sizes that a recorder writes last
    ("WAV", "PCM_16"): (rb"RIFF", rb"data"),
    ("WAVEX", "FLOAT"): (rb"RIFF", rb"data"),
    ("RF64", "PCM_24"): (rb"RF64.{16}", rb"RF64.{24}"),
    ("W64", "PCM_16"): (),
    ("AIFF", "PCM_16"): (rb"FORM", rb"SSND"),
    ("AU", "PCM_16"): (rb"\.snd.{4}",),
}


def u16(number):
    return number.to_bytes(2, "little")


def u32(number):
    return number.to_bytes(4, "little")


def chunk(name, content, size=None):
    return name + u32(len(content) if size is None else size) + content


def form(tag=1, bits=16, block=2, more=b""):
    rates = u32(RATE_HZ) + u32(RATE_HZ * block)
    return chunk(b"fmt ", u16(tag) + u16(1) + rates + u16(block) + u16(bits) + more)


def extensible(tag, bits, valid_bits):
    more = u16(22) + u16(valid_bits) + u32(4) + u16(tag) + HIDDEN
    return form(0xFFFE, bits, (bits + 7) // 8, more)


def wav(*chunks, magic=b"RIFF", size=None, extra=0):
    content = b"WAVE" + b"".join(chunks)
    return magic + u32(len(content) + extra if size is None else size) + content


def sizes_64(data_size):
    return chunk(b"ds64", b"".join(n.to_bytes(8, "little") for n in (99, data_size, 0)) + u32(0))


NOTE = chunk(b"LIST", b"INFO")
WHOLE = {  # files of 1601 samples, whose headers are a little wrong
    "regular": wav(form(), chunk(b"data", PCM)),
    "a chunk after the samples": wav(form(), chunk(b"data", PCM), NOTE),
    "a chunk of odd size before them": wav(
        form(), chunk(b"note", b"odd") + b"\0", chunk(b"data", PCM)
    ),
    "... and without the byte that makes it even": wav(
        form(), chunk(b"note", b"odd"), chunk(b"data", PCM)
    ),
    "an ID3v1 tag behind": wav(form(), chunk(b"data", PCM)) + b"TAG".ljust(128, b"\0"),
    **{
        f"the file's size {n} off": wav(form(), chunk(b"data", PCM), extra=n)
        for n in (-36, 1, 8, 16)
    },
    "the samples' size counts the header": wav(form(), chunk(b"data", PCM, len(PCM) + 44)),
    "never finished": wav(form(), chunk(b"data", PCM, 0), size=0),
    "never finished, with room for a 64-bit size": wav(
        chunk(b"JUNK", bytes(4040)), form(), chunk(b"data", PCM, 0), size=4088
    ),
    **{
        f"from a pipe, {size:#x}": wav(form(), chunk(b"data", PCM, size - 36), size=size)
        for size in (0xFFFFFFFF, 0x7FFFF024, 0x80000024)
    },
    "RF64": wav(sizes_64(len(PCM)), form(), chunk(b"data", PCM, 0xFFFFFFFF), magic=b"RF64"),
    "RF64 never finished": wav(sizes_64(0), form(), chunk(b"data", PCM, 0xFFFFFFFF), magic=b"RF64"),
    "BW64": wav(sizes_64(len(PCM)), form(), chunk(b"data", PCM, 0xFFFFFFFF), magic=b"BW64"),
    "extensible": wav(extensible(1, 16, 16), chunk(b"data", PCM)),
    "extensible, 24 of 32 bits": wav(
        extensible(1, 32, 24), chunk(b"data", (SAMPLES.astype("<i4") << 16).tobytes())
    ),
    "extensible, float": wav(
        extensible(3, 32, 32), chunk(b"data", (SAMPLES / 32768).astype("<f4").tobytes())
    ),
}
REFUSED = {
    "cut": (wav(form(), chunk(b"data", PCM))[:-2], "header promises 3202 bytes of sound, 3200 are"),
    "RF64 cut": (WHOLE["RF64"][:-1602], "truncated"),
    "stopped in the middle": (
        wav(form(), chunk(b"data", PCM + 9 * PCM, len(PCM))),
        "not finished: it tells of 3202 bytes of sound, and 28818 more follow",
    ),
    "24 bits in four bytes": (
        wav(form(1, 24, 4), chunk(b"data", 2 * PCM)),
        "contradicts itself: 24 bits a sample, and 4 bytes",
    ),
    "an unknown code": (wav(extensible(0x55, 16, 16), chunk(b"data", PCM)), "unimplemented format"),
    "no samples, and a note": (wav(form(), chunk(b"data", b""), NOTE), "holds no samples"),
}


def read(path, content):
    path.write_bytes(content)
    return audio.read(path)


@pytest.mark.parametrize("name", WHOLE)
def test_a_wav_with_all_its_samples_is_read_whole(tmp_path, name):
    found = read(tmp_path / "a.wav", WHOLE[name])
    assert found == audio.Audio(SAMPLES / np.float32(32768), RATE_HZ)


@pytest.mark.parametrize("name", REFUSED)
def test_a_wav_that_lacks_samples_or_sense_is_refused_by_name(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(AudioError, match=rf"a\.wav.*{message}"):
        read(tmp_path / "a.wav", content)


@pytest.mark.slow
@given(kind=st.sampled_from([*FORMATS]), cut=st.integers(0, 6000), unfinished=st.booleans())
def test_no_format_is_read_short_when_it_is_cut_or_unfinished(
    tmp_path_factory, kind, cut, unfinished
):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE_HZ, format=kind[0], subtype=kind[1])
    content = bytearray(file.getvalue())
    if unfinished:
        cut = 0
        for before in FORMATS[kind]:
            at = re.search(before, content, re.DOTALL).end()
            content[at : at + 4] = bytes(4)
    content = content[: len(content) - cut]
    path = tmp_path_factory.getbasetemp() / "cut"
    try:
        assert read(path, bytes(content)).samples.size == SAMPLES.size
    except AudioError:
        assert cut


def test_a_format_that_does_not_tell_its_length_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.voc", SAMPLES, RATE_HZ, format="VOC")
    with pytest.raises(AudioError, match=r"a\.voc: it is VOC .*convert it to WAV"):
        audio.read(tmp_path / "a.voc")


def test_the_telephone_s_gsm_is_read_whole(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000, subtype="GSM610")
    assert SAMPLES.size <= audio.read(tmp_path / "a.wav").samples.size < SAMPLES.size + 320


@pytest.mark.slow
@given(
    name=st.sampled_from([*WHOLE, *REFUSED]),
    bytes_=st.dictionaries(st.integers(0, 99), st.integers(0, 255), max_size=5),
    kept=st.integers(0, 4000),
)
def test_any_damage_is_an_error_of_ours_or_a_recording(name, bytes_, kept):
    content = bytearray(WHOLE[name] if name in WHOLE else REFUSED[name][0])
    for at, byte in bytes_.items():
        content[at % len(content)] = byte
    with contextlib.suppress(AudioError):
        assert audio.decode(bytes(content[:kept])).samples.size
