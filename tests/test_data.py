"""The shipped data is whole, documented, licensed and fits together."""

import csv
import hashlib
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voxlab import audio, data
from voxlab.data.yaml_files import read_yaml
from voxlab.errors import DataError

DATA = Path(__file__).resolve().parents[1] / "data"
DOCUMENTED = ("callers", "prompts", "words", "music", "shop", "codec", "speech_lm")
LANGUAGES = {"en": "SA-3.0", "es": "SA-3.0", "fr": "SA-3.0", "it": "BY-3.0", "ru": "BY-3.0"}
CARRIED = [file for folder in DOCUMENTED for file in (DATA / folder).rglob("*") if file.is_file()]
RECORDINGS = [file for file in CARRIED if file.suffix in (".wav", ".flac")]
SPOKEN = [(id, voice) for id in data.utterances() for voice in data.VOICES]
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PAUSE_DB = -60.0


def table_of_files() -> dict[str, list[str]]:
    """Return the README's table: file -> its other columns."""
    text = (DATA / "README.md").read_text("utf-8").partition("<!-- files -->")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[3:]]
    return {row[0]: row[1:] for row in rows if len(row) == 7}


def test_the_readme_lists_exactly_the_files_that_are_there() -> None:
    assert sorted(table_of_files()) == sorted(f.relative_to(DATA).as_posix() for f in CARRIED)


def test_the_readme_has_the_right_checksum_rate_and_duration_of_every_file() -> None:
    for name, (*_, rate, duration, digest) in table_of_files().items():
        content = (DATA / name).read_bytes()
        assert digest == f"`{hashlib.sha256(content).hexdigest()}`", name
        if name.endswith((".wav", ".flac")):
            info = soundfile.info(DATA / name)
            assert (rate, info.samplerate) == ("16 kHz", 16_000), name
            assert float(duration.removesuffix(" s")) == pytest.approx(info.duration, abs=0.01)


def test_every_file_names_its_source_licence_and_credit() -> None:
    for name, (source, licence, credit, *_) in table_of_files().items():
        assert all([source, licence, credit]), name


def test_the_data_stays_under_30_megabytes() -> None:
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file()) <= 30_000_000


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.relative_to(DATA).as_posix())
def test_a_recording_is_mono_16_bit_audible_and_not_clipped(file: Path) -> None:
    info = soundfile.info(file)
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    sound = audio.read(file)
    start_s, end_s = audio.audible_span(sound)
    assert end_s - start_s > 0.2
    assert audio.level_db(sound.between(start_s, end_s)) > -35
    full_scale = np.abs(sound.samples) >= 0.999
    assert not (full_scale[1:] & full_scale[:-1]).any()


@pytest.mark.parametrize(("id", "voice"), SPOKEN)
def test_an_utterance_starts_and_ends_in_silence_and_is_as_long_as_its_text(
    id: str, voice: str
) -> None:
    spoken = data.utterance(id, voice)
    margin = round(0.05 * spoken.audio.rate_hz)
    assert not spoken.audio.samples[:margin].any()
    assert not spoken.audio.samples[-margin:].any()
    assert 0.25 < spoken.audio.duration_s < 0.75 + 0.6 * len(spoken.text.split())


def test_there_are_enough_utterances_of_every_kind() -> None:
    kinds = [data.utterance(id).kind for id in data.utterances()]
    wanted = {"weather", "order", "shipping", "return", "reservation", "correction", "hesitation"}
    wanted |= {"backchannel", "stop", "person", "goodbye", "repeat", "off_topic"}
    assert len(kinds) >= 24
    assert wanted <= set(kinds)


@pytest.mark.parametrize("voice", data.VOICES)
@pytest.mark.parametrize("id", ["hesitate_order", "hesitate_booking", "hesitate_weather"])
def test_a_hesitation_has_its_pause_inside(id: str, voice: str) -> None:
    entry = read_yaml(DATA / "callers/utterances.yaml")[id]
    (pause_s,) = (piece["pause_s"] for piece in entry["pieces"] if not isinstance(piece, str))
    sound = data.utterance(id, voice).audio
    loud = np.flatnonzero(np.abs(sound.samples) > 10 ** (PAUSE_DB / 20))
    assert np.diff(loud).max() / sound.rate_hz == pytest.approx(pause_s, abs=0.15)


@pytest.mark.parametrize("voice", data.VOICES)
def test_the_impatient_caller_speaks_about_twice_as_fast(voice: str) -> None:
    slow, fast = (data.utterance(id, voice) for id in ("real_person", "real_person_fast"))
    assert slow.text == fast.text
    assert 1.5 < slow.audio.duration_s / fast.audio.duration_s < 2.2


def test_order_numbers_that_are_spoken_exist_unless_marked_as_unknown() -> None:
    entries = read_yaml(DATA / "callers/utterances.yaml")
    orders = {id for (id,) in data.shop().execute("SELECT id FROM orders")}
    for id, entry in entries.items():
        words = re.findall(r"[a-z]+", data.utterance(id).text.lower())
        digits = "".join(str(DIGITS.index(word)) for word in words if word in DIGITS)
        number = next(iter(re.findall(r"\d{5}", digits)), None)
        if number:
            assert number == entry.get("order_id", entry.get("unknown_order_id")), id
        if "order_id" in entry:
            assert entry["order_id"] in orders, id
        if "unknown_order_id" in entry:
            assert entry["unknown_order_id"] not in orders, id


def test_what_callers_ask_for_is_in_the_shop() -> None:
    shop = data.shop()
    email = "SELECT id FROM orders WHERE email = 'grace.kim@example.com'"
    assert shop.execute(email).fetchall() == [(data.utterance("order_email").order_id,)]
    weather = "SELECT count(*) FROM weather WHERE city = ? AND day = ?"
    for city, day in (("Paris", "Tuesday"), ("London", "Friday"), ("New York", "Wednesday")):
        assert shop.execute(weather, (city, day)).fetchone() == (1,)
    name = "SELECT day FROM reservations WHERE customer = 'Morgan' AND status = 'booked'"
    assert shop.execute(name).fetchall() == [("Monday",)]


def free_tables(shop: sqlite3.Connection, day: str, time: str, people: int) -> int:
    """Count the tables that can be booked."""
    taken = "SELECT table_id FROM reservations WHERE day = ? AND time = ? AND status = 'booked'"
    query = f"SELECT count(*) FROM tables WHERE seats >= ? AND id NOT IN ({taken})"
    return int(shop.execute(query, (people, day, time)).fetchone()[0])


def test_friday_at_seven_has_a_table_for_four_and_saturday_at_seven_has_none() -> None:
    shop = data.shop()
    assert free_tables(shop, "Friday", "19:00", 4) > 0
    assert free_tables(shop, "Tuesday", "19:00", 4) > 0
    assert free_tables(shop, "Thursday", "20:30", 2) > 0
    assert free_tables(shop, "Monday", "19:00", 6) > 0
    assert free_tables(shop, "Saturday", "19:00", 2) == 0
    assert free_tables(shop, "Saturday", "18:00", 2) > 0


def test_every_row_of_the_shop_refers_to_rows_that_exist() -> None:
    assert data.shop().execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_shop_refuses_what_would_break_it() -> None:
    shop = data.shop()
    for statement in (
        "INSERT INTO shipping VALUES ('99999', 'Blue Van', 'BV1', 'in transit', 'Friday')",
        "UPDATE orders SET status = 'lost' WHERE id = '12345'",
        "INSERT INTO reservations VALUES (99, 'Second', 'Monday', '19:00', 2, 3, 'booked')",
        "INSERT INTO reservations VALUES (99, 'Late', 'Sunday', '19:00', 2, 3, 'booked')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            shop.execute(statement)


def test_totals_and_item_counts_are_the_sums_over_the_items() -> None:
    query = """SELECT orders.id, total, item_count, sum(quantity * price), sum(quantity)
               FROM orders LEFT JOIN items ON order_id = orders.id GROUP BY orders.id"""
    for id, total, count, price, quantity in data.shop().execute(query):
        assert (total, count) == (pytest.approx(price), quantity), id


def test_parties_fit_at_their_tables() -> None:
    query = """SELECT customer FROM reservations JOIN tables ON tables.id = table_id
               WHERE party_size > seats"""
    assert data.shop().execute(query).fetchall() == []


def test_days_are_weekdays_that_callers_can_name() -> None:
    query = "SELECT day FROM {} WHERE day NOT IN (SELECT day FROM calendar)"
    for table in ("slots", "reservations", "weather"):
        assert data.shop().execute(query.format(table)).fetchall() == []


def test_each_shop_is_a_fresh_database() -> None:
    data.shop().execute("DELETE FROM items")
    assert data.shop().execute("SELECT count(*) FROM items").fetchone()[0] > 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_has_a_text_and_every_text_a_prompt(language: str) -> None:
    prompts = data.prompts(language)
    assert {p.path for p in prompts} == set((DATA / "prompts" / language).glob("*.flac"))
    assert 8 <= len(prompts) <= 15
    assert all(p.text.strip() and p.speaker for p in prompts)
    assert all(1.5 <= p.audio.duration_s <= 8 for p in prompts)


@pytest.mark.parametrize(("language", "licence"), LANGUAGES.items())
def test_prompts_carry_their_credit_and_the_full_text_of_their_licence(
    language: str, licence: str
) -> None:
    folder = DATA / "prompts" / language
    credits = (folder / "CREDITS").read_text("utf-8")
    assert licence in credits
    assert "Copyright" in credits
    assert "Changes:" in credits
    assert len((folder / "LICENSE").read_text("utf-8")) > 10_000


def test_the_music_lasts_a_minute_and_carries_its_credit() -> None:
    assert audio.read(data.path("music/hold.flac")).duration_s == 60
    assert "creativecommons.org/licenses/by-sa/3.0" in data.path("music/CREDITS").read_text("utf-8")


def test_an_unknown_utterance_is_answered_with_the_closest_and_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'order_wher'.*did you mean order_where\?.*weather_fr"):
        data.utterance("order_wher")


def test_an_unknown_voice_or_language_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no voice 'hart'.*heart\?"):
        data.utterance("yeah", voice="hart")
    with pytest.raises(DataError, match=r"no language 'de'.*en, es, fr, it, ru"):
        data.prompts("de")


def test_a_missing_data_folder_says_where_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere.*VOXLAB_DATA"):
        data.shop()


def test_a_missing_file_says_how_to_get_it_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"no music/hold\.flac.*git checkout"):
        data.path("music/hold.flac")


@pytest.mark.parametrize(
    ("table", "row", "complaint"),
    [
        ("shipping", "99999,Blue Van,BV1,in transit,Friday", r"shipping\.csv.*orders\.csv"),
        ("orders", "12345,A,a@example.com,shipped,1,1", r"orders\.csv: UNIQUE"),
        ("tables", "9", r"tables\.csv: .*bindings"),
    ],
)
def test_a_damaged_table_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, row: str, complaint: str
) -> None:
    shutil.copytree(DATA / "shop", tmp_path / "shop")
    with (tmp_path / "shop" / f"{table}.csv").open("a", newline="") as file:
        file.write(row + "\n")
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path))
    with pytest.raises(DataError, match=complaint):
        data.shop()


def test_an_empty_table_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(DATA / "shop", tmp_path / "shop")
    (tmp_path / "shop" / "orders.csv").write_text("")
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"orders\.csv is empty"):
        data.shop()


def test_the_tables_are_short_enough_to_read() -> None:
    for table in (DATA / "shop").glob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert 5 <= len(rows) <= 20, table.name
        assert all(len(row) == len(header) for row in rows), table.name
