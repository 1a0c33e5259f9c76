"""Nothing of the test is in the training: no phrase, in any language, and no unseen speaker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import data
from voxlab.codec import corpus
from voxlab.codec.split import Clip, normalised, phrases, split

words = st.sampled_from(["one moment", "Thank you", "Au revoir", "goodbye"])
texts = st.lists(words, max_size=3).map(". ".join)
names = st.sampled_from([f"prompt-{letter}" for letter in "abcdefghijkl"])
speakers = st.sampled_from(["allison", "june", "carlo", "new-1", "new-2"])
clips = st.builds(Clip, speakers, st.sampled_from(["en", "fr"]), names, texts)
held_out = st.sets(names, max_size=3)
UNSEEN = {"new-1", "new-2"}


@settings(max_examples=40)
@given(st.lists(clips, max_size=30), held_out)
def test_no_phrase_of_the_test_is_in_the_training(clips, names):
    parts = split(clips, names, UNSEEN)
    trained = {phrase for clip in parts.train for phrase in phrases(clip)}
    tested = {phrase for clip in parts.held_out + parts.unseen for phrase in phrases(clip)}
    assert trained & tested == set()


@settings(max_examples=40)
@given(st.lists(clips, max_size=30), held_out)
def test_no_unseen_speaker_is_in_the_training_nor_among_the_known(clips, names):
    parts = split(clips, names, UNSEEN)
    assert {clip.speaker for clip in parts.train + parts.held_out} & UNSEEN == set()
    assert {clip.speaker for clip in parts.unseen} <= UNSEEN


@settings(max_examples=40)
@given(st.lists(clips, max_size=30), held_out)
def test_every_clip_is_in_exactly_one_part(clips, names):
    parts = split(clips, names, UNSEEN)
    placed = [*parts.train, *parts.held_out, *parts.unseen]
    assert sorted(placed, key=repr) == sorted(clips, key=repr)


@settings(max_examples=40)
@given(st.lists(clips, max_size=30), held_out)
def test_what_is_held_out_is_held_out(clips, names):
    assert not {clip.name for clip in split(clips, names, UNSEEN).train} & names


def test_the_same_file_name_in_two_languages_is_the_same_phrase():
    english = Clip("allison", "en", "vm-goodbye", "Goodbye.")
    french = Clip("june", "fr", "vm-goodbye", "Au revoir.")
    other = Clip("june", "fr", "merci", "Merci.")
    parts = split([english, french, other], {"vm-goodbye"}, ())
    assert parts.held_out == (english, french)
    assert parts.train == (other,)


def test_a_sentence_in_common_makes_two_prompts_the_same_phrase_and_so_does_a_third_between():
    first = Clip("allison", "en", "a", "Sorry. That is not valid.")
    between = Clip("carlo", "en", "b", "That is NOT valid! Please try again.")
    last = Clip("june", "en", "c", "Please, try again")
    assert split([first, between, last], {"a"}, ()).train == ()


def test_what_an_unseen_speaker_says_is_not_trained_in_another_voice():
    new, known = Clip("new-1", "en", "x", "Hello there."), Clip("june", "fr", "y", "hello there")
    assert split([new, known], (), UNSEEN).train == ()


@pytest.mark.slow
def test_no_prompt_that_ships_is_in_the_training_where_the_corpus_is_there():
    if not (corpus.folder() / corpus.INDEX).exists():
        pytest.skip("no corpus: data/make/codec_corpus.py fetches it")
    shipped = [p for language in ("en", "es", "fr", "it", "ru") for p in data.prompts(language)]
    trained = corpus.load().split().train
    assert {p.id for p in shipped} & {clip.name.replace("/", "-") for clip in trained} == set()
    assert {normalised(p.text) for p in shipped} & {normalised(c.text) for c in trained} == set()


def test_a_phrase_is_the_same_whatever_its_case_marks_and_composition():
    assert normalised("Ça  va?") == normalised("c\N{COMBINING CEDILLA}a va")
