"""Whose file it is and for which exercise, and class lists: as people and platforms write them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import ExerciseError
from voxlab.grading.grade import Outcome, ScoreCard
from voxlab.grading.graded import GradedTest
from voxlab.grading.people import Person, exercise_of, find_people
from voxlab.grading.roster import Roster

KNOWN = {"ex01": "ex01_sentence_chunks", "ex02": "ex02_realtime_basics", "ex08": "ex08_realtime"}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def who_handed_in(people):
    return {(person.name, person.id): sorted(person.files) for person in people}


# --- names of files ------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.from_regex(r"[a-z]{1,6}[0-9]{0,3}|ex[0-9]{2}", fullmatch=True),
    st.sampled_from(sorted(KNOWN)),
    st.sampled_from(["", "(1)", "-2", " - Copy"]),
    st.sampled_from([".py", ".ipynb"]),
)
def test_whatever_a_person_is_called_their_file_is_theirs(who, exercise, copy, suffix):
    name = f"{who}_{KNOWN[exercise]}{copy}{suffix}"
    assert exercise_of(name, KNOWN) == (who, exercise)
    assert exercise_of(f"{KNOWN[exercise]}{copy}{suffix}", KNOWN) == ("", exercise)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("alex01_ex01_sentence_chunks.ipynb", ("alex01", "ex01")),
        ("alex08_ex01.py", ("alex08", "ex01")),
        ("Ex01_Sentence_Chunks.ipynb", ("", "ex01")),
        ("O'Brien, Miles - ex02_final.py", ("O'Brien, Miles", "ex02")),
        ("ada_ex01_ex01_sentence_chunks.py", ("ada_ex01", "ex01")),
    ],
)
def test_the_last_exercise_that_stands_by_itself_counts(name, found):
    assert exercise_of(name, KNOWN) == found


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ada_ex01_ex02.py", r"for ex01 or ex02\? needs a name like NAME_ex01_sentence_chunks\.py"),
        ("alex01.ipynb", r"needs a name like NAME_ex01_sentence_chunks\.ipynb"),
        ("hysteresis.ipynb", r"needs a name like NAME_ex01_sentence_chunks\.ipynb"),
        ("ada_ex77_other.py", "there are no tests for ex77"),
        ("ada_ex01_sentence_chunks.pdf", "hand in the notebook or script itself"),
    ],
)
def test_a_name_that_leaves_a_doubt_is_refused_with_a_better_one(name, why):
    with pytest.raises(ExerciseError, match=f"{name} is not graded: {why}"):
        exercise_of(name, KNOWN)


# --- folders -------------------------------------------------------------------------------


def test_people_are_folders_or_prefixes_of_file_names(tmp_path):
    write(tmp_path / "a" / "ada" / "ex01_sentence_chunks.py")
    write(tmp_path / "a" / "bob" / "week 1" / "BOB_ex01_sentence_chunks(1).ipynb")
    write(tmp_path / "a" / "bob" / ".ipynb_checkpoints" / "ex01_sentence_chunks-checkpoint.ipynb")
    write(tmp_path / "a" / "eve" / "notes.txt")
    people, strays = find_people(tmp_path / "a", KNOWN)
    assert who_handed_in(people) == {("ada", ""): ["ex01"], ("bob", ""): ["ex01"], ("eve", ""): []}
    assert len(people[1].files["ex01"]) == 1
    write(tmp_path / "b" / "ada_ex01_sentence_chunks.py")
    write(tmp_path / "b" / "bob-17_ex02_realtime_basics.ipynb")
    write(tmp_path / "b" / "points.csv")
    people, strays = find_people(tmp_path / "b", KNOWN)
    assert who_handed_in(people) == {("ada", ""): ["ex01"], ("bob-17", ""): ["ex02"]}
    assert strays == []


def test_files_under_odd_names_are_named_with_their_owner_or_as_strays(tmp_path):
    write(tmp_path / "ada" / "ex01_sentence_chunks.py")
    write(tmp_path / "ada" / "my solution.ipynb")
    write(tmp_path / "work.zip")
    (person,), strays = find_people(tmp_path, KNOWN)
    assert person.not_graded == [
        "my solution.ipynb is not graded: needs a name like NAME_ex01_sentence_chunks.ipynb"
    ]
    assert strays == ["work.zip is not graded: hand in the notebook or script itself"]


def test_exports_of_moodle_give_people_and_ids(tmp_path):
    write(tmp_path / "a" / "Ada Byron_123_assignsubmission_file" / "ex01_sentence_chunks.py")
    write(tmp_path / "a" / "Bob O'Hara_124_assignsubmission_file_" / "ex02_realtime_basics.py")
    write(tmp_path / "a" / "Bob O'Hara_124_assignsubmission_onlinetext" / "onlinetext.html")
    write(tmp_path / "b" / "Ada Byron_123_assignsubmission_file_ex01_sentence_chunks.py")
    write(tmp_path / "b" / "Participant_125_assignsubmission_file_ex08_realtime.ipynb")
    people, _ = find_people(tmp_path / "a", KNOWN)
    assert who_handed_in(people) == {
        ("Ada Byron", "123"): ["ex01"],
        ("Bob O'Hara", "124"): ["ex02"],
    }
    people, _ = find_people(tmp_path / "b", KNOWN)
    assert who_handed_in(people) == {
        ("Ada Byron", "123"): ["ex01"],
        ("Participant", "125"): ["ex08"],
    }


def test_exports_of_canvas_give_people_and_ids(tmp_path):
    write(tmp_path / "byronada_123_4567_ex01_sentence_chunks-1.ipynb")
    write(tmp_path / "byronada_123_4568_ex02_realtime_basics.py")
    write(tmp_path / "oharabob_LATE_124_4569_ex01_sentence_chunks.ipynb")
    write(tmp_path / "anon_x9y8z_4570_ex01_sentence_chunks.ipynb")
    write(tmp_path / "curiemarie_125_4571_homework.ipynb")
    people, _ = find_people(tmp_path, KNOWN)
    assert who_handed_in(people) == {
        ("anon_x9y8z", "x9y8z"): ["ex01"],
        ("byronada", "123"): ["ex01", "ex02"],
        ("curiemarie", "125"): [],
        ("oharabob", "124"): ["ex01"],
    }


METADATA = """submission_7:
  :submitters:
  - :name: Ada Byron
    :sid: '123'
    :email: ada@example.edu
  :created_at: 2026-10-01 12:00:00.000000000 Z
submission_8:
  :submitters:
  - :name: Bob O'Hara
    :email: bob@example.edu
  - :name: Marie Curie
    :sid: 125
"""


def test_exports_of_gradescope_give_people_and_ids_and_groups_have_several(tmp_path):
    export = tmp_path / "assignment_1_export"
    write(export / "submission_metadata.yml", METADATA)
    write(export / "submission_7" / "ex01_sentence_chunks.py")
    write(export / "submission_8" / "ex02_realtime_basics.py")
    for path in (export, tmp_path):
        people, _ = find_people(path, KNOWN)
        assert who_handed_in(people) == {
            ("Ada Byron", "123"): ["ex01"],
            ("Bob O'Hara", "bob@example.edu"): ["ex02"],
            ("Marie Curie", "125"): ["ex02"],
        }
    write(export / "submission_metadata.yml", "- a list")
    with pytest.raises(ExerciseError, match="cannot read who submitted what"):
        find_people(export, KNOWN)


def test_what_is_no_exercise_is_refused(tmp_path):
    with pytest.raises(ExerciseError, match="no such file"):
        find_people(tmp_path / "nowhere", KNOWN)
    with pytest.raises(ExerciseError, match="no exercise in it"):
        find_people(tmp_path, KNOWN)
    twice = write(tmp_path / "twice.py")
    for path in (twice, tmp_path):
        with pytest.raises(ExerciseError, match=r"twice\.py is not graded: needs a name like"):
            find_people(path, KNOWN)


# --- class lists ---------------------------------------------------------------------------

MOODLE = """\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,\
Grade can be changed,Last modified (grade),Feedback comments
Participant 123,Ada Byron,ada@example.edu,Submitted,-,"100,00",Yes,-,
Participant 124,Bob O'Hara,bob@example.edu,No submission,-,"100,00",Yes,-,
"""
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,ex01 Chunks (77),Essay (78),Final Score
    Points Possible,,,,,10,5,(read only)
"Byron, Ada",123,S1,abyron,A,,4,80
"O'Hara, Bob",124,S2,bohara,A,,,
"Student, Test",999,,,A,,,
"""


def cards(*earned):
    """Return cards of ex01 and ex02, 4 possible points each."""
    test = GradedTest("ex01.1", 1, "hint", False, 1.0, test_what_is_no_exercise_is_refused)
    statuses = [["passed"] * points + ["failed"] * (4 - points) for points in earned]
    return [
        ScoreCard(id, "file.py", tuple(Outcome(test, status) for status in each))
        for id, each in zip(("ex01", "ex02"), statuses, strict=False)
    ]


def table_of(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("roster", "handed_in"),
    [
        (MOODLE, Person("Ada  Byron", "123")),
        (MOODLE, Person("ada")),
        (CANVAS, Person("byronada", "123")),
        (CANVAS, Person("byronada")),
        (CANVAS, Person("ABYRON")),
        ("Name;Email\nAda Byron;ada@example.edu\nBob O'Hara;bob@example.edu\n", Person("ada")),
        ("First Name,Last Name,SID\nAda,Byron,123\nBob,O'Hara,124\n", Person("Byron Ada")),
    ],
)
def test_a_roster_names_people_and_adds_who_is_missing(tmp_path, roster, handed_in):
    people = Roster.read(write(tmp_path / "roster.csv", roster)).complete([handed_in])
    assert [sorted(person.name.replace(",", "").split()) for person in people] == [
        ["Ada", "Byron"],
        ["Bob", "O'Hara"],
    ]
    assert [person.not_graded for person in people] == [[], []]


def test_who_is_not_on_the_roster_or_twice_is_said_so(tmp_path):
    roster = Roster.read(write(tmp_path / "r.csv", "Name,ID\nAda Byron,1\nAda Byron,2\n"))
    people = roster.complete([Person("Ada Byron", "2"), Person("Ada Byron"), Person("Eve")])
    assert [(p.name, p.id) for p in people] == [
        *(("Ada Byron", "2"), ("Ada Byron", ""), ("Eve", "")),
        ("Ada Byron", "1"),
    ]
    assert [bool(p.not_graded) for p in people] == [False, True, True, False]


@pytest.mark.parametrize("text", ["", "\n\n", "a,b\n1,2\n", "\x00", "Student\nPoints Possible\n"])
def test_a_roster_without_names_is_refused(tmp_path, text):
    with pytest.raises(ExerciseError, match="no names in it"):
        Roster.read(write(tmp_path / "roster.csv", text))


def graded(roster, tmp_path):
    read = Roster.read(write(tmp_path / "roster.csv", roster))
    people = read.complete([Person("", "123")])
    pairs = zip(people, (cards(3, 4), cards(0, 1)), strict=True)
    return read.filled({person.name: (person, theirs) for person, theirs in pairs})


def test_moodles_worksheet_comes_back_with_grades_on_its_scale_and_reasons(tmp_path):
    header, ada, bob = table_of(graded(MOODLE, tmp_path))
    assert header == table_of(MOODLE.removeprefix("\ufeff"))[0]
    assert (ada[0], ada[header.index("Grade")]) == ("Participant 123", "87.5")
    assert (bob[0], bob[header.index("Grade")]) == ("Participant 124", "12.5")
    assert ada[header.index("Last modified (grade)")] == "-"
    assert "ex01.1 what is no exercise is refused: hint" in ada[header.index("Feedback comments")]


def test_canvas_gradebook_comes_back_with_old_columns_on_their_scale_and_new_ones(tmp_path):
    header, possible, ada, bob, test_student = table_of(graded(CANVAS, tmp_path))
    assert header[4:] == ["Section", "ex01 Chunks (77)", "ex02"]
    assert possible[0].strip() == "Points Possible"
    assert [row[5:] for row in (possible, ada, bob)] == [["10", "4"], ["7.5", "4"], ["0", "1"]]
    assert test_student[5:] == ["", ""]


@pytest.mark.parametrize("scale", ["-", "", "(read only)"])
def test_without_a_scale_the_points_are_the_grade(tmp_path, scale):
    header, ada, _ = table_of(graded(MOODLE.replace('"100,00"', scale), tmp_path))
    assert ada[header.index("Grade")] == "7"
    _, possible, ada, *_ = table_of(graded(CANVAS.replace("10,5", f"{scale},5"), tmp_path))
    assert [possible[5], ada[5]] == [scale or "4", "3"]


def test_another_table_is_not_filled_in(tmp_path):
    with pytest.raises(ExerciseError, match="need Moodle's grading worksheet or Canvas' gradebook"):
        graded("Name,ID\nAda Byron,123\nBob O'Hara,124\n", tmp_path)
