"""Exercise 10 (19.7.3): interruptions by hand, and data/interruptions.yaml in whole calls."""

from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect

# Your 0.0-0.2, parcel 0.2-0.6, was 0.6-0.8, shipped 0.8-1.3, on 1.4-1.5, Monday. 1.5-2.0
PARCEL = [
    *(("Your", 0.0, 0.2), ("parcel", 0.2, 0.6), ("was", 0.6, 0.8), ("shipped", 0.8, 1.3)),
    *(("on", 1.4, 1.5), ("Monday.", 1.5, 2.0)),
]


def text_of(words):
    return " ".join(word[0] for word in words)


def speaking(exercise, since_s=10.0, words=PARCEL):
    """Return a handler that has begun to say the words at since_s."""
    handler = exercise.InterruptionHandler()
    handler.on_reply(since_s, words)
    return handler


def interrupt(handler, at_s, text, lasted_s):
    """Speak over a handler; return what it does, first at once and then when it knows the words."""
    at_once = handler.on_user_started(at_s)
    later = handler.on_user_words(at_s + lasted_s + 0.4, text, lasted_s)
    return at_once, later


# --- ex10.1 --------------------------------------------------------------------------------


@graded(
    "ex10.1",
    points=1,
    hint="A word is heard when its end has sounded, the very moment included; its start alone does "
    "not count, and neither do the gaps between words.",
)
def test_a_word_is_heard_when_it_has_sounded_to_its_end(exercise):
    for at_s, count in ((0.7, 2), (0.6, 2), (0.1, 0), (1.35, 4), (0.0, 0), (2.0, 6), (9.0, 6)):
        expect(exercise.words_heard(PARCEL, at_s), count, f"words_heard({PARCEL}, {at_s})")
    expect(exercise.words_heard([], 1.0), 0, "words_heard([], 1.0)")


@graded(
    "ex10.1",
    points=1,
    hint="Compare each word's end with the moment of the cut, whatever its number or length.",
    hidden=True,
)
def test_any_sentence_is_cut_where_voxlab_cuts_it(exercise):
    import numpy as np

    from voxlab.agents.spoken_words import SpokenWords
    from voxlab.providers.protocols import Word

    def heard(words, at_s):
        times_s = [time_s for _, *both_s in words for time_s in both_s]
        if times_s != sorted(times_s) or not all(text for text, *_ in words):
            raise ValueError("words sound one after the other")
        spoken = SpokenWords()
        spoken.add(text_of(words), [Word(*word) for word in words])
        return exercise.words_heard(words, at_s), spoken.heard(at_s, times_s[-1])

    rng = np.random.default_rng(13)
    cases = []
    for _ in range(100):
        edges = np.sort(rng.uniform(0, 8, 2 * int(rng.integers(1, 20)))).round(2).tolist()
        words = [(f"w{i}", *edges[2 * i : 2 * i + 2]) for i in range(len(edges) // 2)]
        cases.append((words, float(rng.choice([round(rng.uniform(0, 8), 2), rng.choice(edges)]))))
    compare("words_heard", cases, heard)


# --- ex10.2 --------------------------------------------------------------------------------


def check_meanings(exercise, cases):
    for text, lasted_s, want in cases:
        expect(exercise.meaning(text, lasted_s), want, f"meaning({text!r}, {lasted_s})")


@graded(
    "ex10.2",
    points=1,
    hint="Compare whole words: all of them must be in FILLERS, and no words at all mean go on.",
)
def test_only_fillers_let_the_agent_go_on(exercise):
    go_on = ("Um.", "Uh huh.", "OK, okay!", "", "...", "Thank you.", "I see, I see.")
    answer = ("Yes, but when?", "My number is wrong.", "And in Paris?", "Okay, Tuesday.")
    check_meanings(exercise, [(text, 1.5, "go on") for text in go_on])
    check_meanings(exercise, [(text, 1.5, "answer") for text in answer])


@graded(
    "ex10.2",
    points=1,
    hint="STOPS holds whole utterances, so join the words and look there first; then, what lasts "
    "less than SHORT_S and has no word of SHORT in it is a grunt.",
)
def test_stop_means_stop_and_a_grunt_means_nothing(exercise):
    check_meanings(exercise, [("Stop!", 0.3, "stop"), ("Hold on, a second.", 1.0, "stop")])
    lasted = ((0.4, "go on"), (0.6, "answer"), (0.9, "answer"))
    check_meanings(exercise, [("Oh, her.", lasted_s, want) for lasted_s, want in lasted])
    check_meanings(exercise, [("No!", 0.3, "answer"), ("Can you stop it?", 1.0, "answer")])


@graded(
    "ex10.2",
    points=1,
    hint="The callers of data/callers speak over the agent in many ways; look at each rule of the "
    "table again, and at the order in which you apply them.",
    hidden=True,
)
def test_the_recorded_callers_are_understood(exercise):
    from voxlab import data

    wanted = {
        "go on": ("um", "uh", "uh_huh", "yeah", "okay", "i_see", "go_on", "thank_you"),
        "stop": ("stop", "hold_on", "okay_stop", "be_quiet", "never_mind"),
        "answer": (
            *("correct_day", "correct_city", "correct_party", "just_no", "weather_friday"),
            *("real_person", "joke", "repeat", "why", "how_much", "yes_but", "order_number"),
        ),
    }
    check_meanings(
        exercise,
        [
            (utterance.text, utterance.audio.duration_s - 0.1, want)
            for want, ids in wanted.items()
            for utterance in map(data.utterance, ids)
        ],
    )


@graded(
    "ex10.2",
    points=1,
    hint="These are a recogniser's words for real sounds: the duration decides, exactly at SHORT_S "
    "it is no grunt any more, and marks and capitals mean nothing.",
    hidden=True,
)
def test_what_a_recogniser_makes_of_sounds_is_understood(exercise):
    grunts = ("Oh, her.", "Of her.", "A hut.", "Worth.", "Ah,", "M.", "It's a hug.", "OK")
    check_meanings(exercise, [(text, 0.35, "go on") for text in grunts])
    check_meanings(exercise, [("Worth.", 0.6, "answer"), ("A hut.", 0.59, "go on")])
    check_meanings(exercise, [("What?", 0.3, "answer"), ("STOP", 0.3, "stop")])
    check_meanings(exercise, [("No way, i meant to stay", 1.2, "answer")])


# --- ex10.3 --------------------------------------------------------------------------------


@graded(
    "ex10.3",
    points=1,
    hint="Times of words count from since_s: take it off now_s, ask words_heard, and put the words "
    "before that number into heard, the others into rest.",
)
def test_the_agent_falls_silent_and_knows_where(exercise):
    for now_s, heard, rest in (
        (10.7, "Your parcel", "was shipped on Monday."),
        (10.1, "", "Your parcel was shipped on Monday."),
        (11.35, "Your parcel was shipped", "on Monday."),
    ):
        handler = speaking(exercise)
        got = handler.on_user_started(now_s)
        expect(got, [["be_silent"]], f"the caller starts at {now_s} s")
        expect(handler.state, "interrupted", f"the state after {now_s} s")
        parts = [text_of(handler.heard), text_of(handler.rest)]
        expect(parts, [heard, rest], f"heard and rest at {now_s} s")


# --- ex10.4 --------------------------------------------------------------------------------


@graded(
    "ex10.4",
    points=1,
    hint="One ('agent', text) entry with the words of handler.heard, none if it is empty; the rest "
    "was never said. Then both lists are empty.",
)
def test_the_history_keeps_what_was_heard(exercise):
    for now_s, kept in ((10.7, "Your parcel"), (10.1, ""), (11.9, "Your parcel was shipped on")):
        handler = speaking(exercise)
        handler.on_user_started(now_s)
        exercise.remember(handler)
        want = [["agent", kept]] if kept else []
        expect(handler.history, want, f"cut at {now_s} s: the history")
        expect([handler.heard, handler.rest], [[], []], "heard and rest when the reply is over")


@graded(
    "ex10.4",
    points=1,
    hint="A reply that is interrupted and taken up again is still one entry, and it holds every "
    "word once.",
    hidden=True,
)
def test_a_reply_is_one_entry_however_often_it_is_taken_up(exercise):
    handler = speaking(exercise)
    interrupt(handler, 10.7, "Um.", 0.3)  # on at 11.4 with "was"
    interrupt(handler, 11.65, "Uh huh.", 0.4)  # on at 12.45 with "shipped"
    handler.on_reply_ended(14.0)
    expect(handler.history, [["agent", text_of(PARCEL)]], "the history after one reply")
    handler.on_reply(20.0, [("Bye.", 0.0, 0.3)])
    handler.on_reply_ended(20.3)
    want = [["agent", text_of(PARCEL)], ["agent", "Bye."]]
    expect(handler.history, want, "the history after a second reply")


# --- ex10.5: the five scenarios of the exercise ----------------------------------------------


@graded(
    "ex10.5",
    points=1,
    hint='After "um" the rest is said, from the word that was cut: its times begin at 0 again '
    "(from_zero), it sounds since now_s, and the state is speaking.",
)
def test_scenario_1_um_goes_on_at_the_word(exercise):
    handler = speaking(exercise)
    at_once, later = interrupt(handler, 10.7, "Um.", 0.3)
    expect(at_once, [["be_silent"]], "at once")
    expect(later, [["speak", "was shipped on Monday."]], "after the words")
    expect(handler.state, "speaking", "the state")
    expect(handler.words[0][1], 0.0, "the start of the first word", close)
    expect(handler.history, [], "an um is no turn: the history")


@graded(
    "ex10.5",
    points=1,
    hint="It may happen again and again: each time since_s and words must be those of what is "
    "being said now, and after the last word there is nothing left to say.",
)
def test_scenario_2_uh_huh_twice_and_at_the_end_loses_no_word(exercise):
    handler = speaking(exercise)
    _, first = interrupt(handler, 10.7, "Uh huh.", 0.4)  # on at 11.5 with "was"
    _, second = interrupt(handler, 12.25, "Uh huh.", 0.4)  # was and shipped are over
    expect(first, [["speak", "was shipped on Monday."]], "the first time")
    expect(second, [["speak", "on Monday."]], "the second time")
    _, third = interrupt(handler, 14.0, "Uh huh.", 0.4)  # after the last word
    expect(third, [], "after the last word")
    expect(handler.state, "listening", "the state")
    expect(handler.history, [["agent", text_of(PARCEL)]], "the history")


@graded(
    "ex10.5",
    points=1,
    hint='A new question drops the rest: remember, then note ("user", text), then ask for an '
    "answer; the state is thinking.",
)
def test_scenario_3_a_new_question_starts_afresh(exercise):
    handler = speaking(exercise)
    _, later = interrupt(handler, 10.7, "Will it rain in London?", 1.4)
    expect(later, [["answer", "Will it rain in London?"]], "after the words")
    expect(handler.state, "thinking", "the state")
    want = [["agent", "Your parcel"], ["user", "Will it rain in London?"]]
    expect(handler.history, want, "the history")


@graded(
    "ex10.5",
    points=1,
    hint="A correction after an um: what was heard before and after the um is one entry, and the "
    "rest of the old reply must not be said.",
)
def test_scenario_4_a_correction_after_an_um_is_answered(exercise):
    handler = speaking(exercise)
    interrupt(handler, 10.7, "Um.", 0.3)  # on at 11.4 with "was"
    _, later = interrupt(handler, 11.65, "No wait, I meant Tuesday.", 1.2)
    expect(later, [["answer", "No wait, I meant Tuesday."]], "after the words")
    want = [["agent", "Your parcel was"], ["user", "No wait, I meant Tuesday."]]
    expect(handler.history, want, "the history")
    expect(handler.rest, [], "what is still to be said")


@graded(
    "ex10.5",
    points=1,
    hint="After a stop nothing is said and nothing asked: no action, the state is listening, and "
    "the history keeps what was heard. The next words are an ordinary turn.",
)
def test_scenario_5_stop_is_silence_until_she_speaks_again(exercise):
    handler = speaking(exercise)
    at_once, later = interrupt(handler, 10.7, "Stop!", 0.4)
    expect([at_once, later], [[["be_silent"]], []], "at once, and after the words")
    expect(handler.state, "listening", "the state")
    expect(handler.history, [["agent", "Your parcel"]], "the history")
    got = handler.on_user_words(20.0, "Is it heavy?")
    expect(got, [["answer", "Is it heavy?"]], "after the caller's next words")


WHOLE_CALLS = (
    *("um", "uh", "i_see", "go_on", "thank_you_in_a_number", "uh_huh_over_the_filler"),
    *("another_day", "another_city", "just_no", "another_question", "yes_but", "say_that_again"),
    *("stop", "hold_on", "please_be_quiet", "uh_huh_and_then_yeah", "yeah_and_then_stop"),
)


@graded(
    "ex10.5",
    points=1,
    hint="In whole calls each interruption has its own moment, and the words sound at their own "
    "times: work with what the handler is told, not with the numbers of the examples.",
    hidden=True,
)
def test_interruptions_in_whole_calls_go_as_in_voxlab(exercise):
    from voxlab.agents.callers.interruption_scenarios import load_scenarios
    from voxlab.agents.calls import play
    from voxlab.agents.shop import shop_agent
    from voxlab.providers.protocols import Providers
    from voxlab.providers.rule_based.language_model import RuleLLM
    from voxlab.providers.scripted import ScriptedSTT, ScriptedTTS

    for name in WHOLE_CALLS:
        script = load_scenarios()[name].script
        texts = [line.utterance.text for line in script.lines]
        agent = shop_agent(Providers(ScriptedSTT(texts), RuleLLM(), ScriptedTTS()))
        timeline = play(script, agent).timeline
        for judged in timeline.select("turn", "interruption"):
            want = what_voxlab_does(timeline, judged)
            got = what_is_done(exercise, timeline, judged)
            expect(got, want, f"{name.replace('_', ' ')}: actions and history")


def what_voxlab_does(timeline, judged):
    """Return what is done after an interruption, and what is heard of the sentence it cuts."""
    later = [event for event in timeline if event.at_s >= judged.at_s]
    heard = [event.data["heard"] for event in later if event.kind == "interrupted"][:1]
    if judged.data["meaning"] == "backchannel":
        return [["speak", next(e.data["text"] for e in later if e.kind == "sentence")]], []
    sentence, cut_s = cut_by(timeline, judged)
    ended = [word for word, _, end_s in sentence.data["words"] if sentence.at_s + end_s <= cut_s]
    assert heard[0].endswith(" ".join(ended))
    kept = [["agent", " ".join(ended)]] if ended else []
    if judged.data["meaning"] == "stop":
        return [], kept
    text = judged.data["text"]
    return [["answer", text]], [*kept, ["user", text]]


def what_is_done(exercise, timeline, judged):
    """Return what a handler does that says the same sentence, and what its history gets."""
    sentence, cut_s = cut_by(timeline, judged)
    handler = exercise.InterruptionHandler()
    handler.on_reply(sentence.at_s, sentence.data["words"])
    handler.on_user_started(cut_s)
    spoken = [e.at_s for e in timeline.select("caller") if e.at_s < judged.at_s][-2:]
    actions = handler.on_user_words(judged.at_s, judged.data["text"], spoken[1] - spoken[0])
    return actions, handler.history


def cut_by(timeline, judged):
    """Return the sentence that an interruption cuts, and when."""
    states = timeline.select("turn", "state")
    pauses = [event.at_s for event in states if event.data["now"] == "interrupted"]
    cut_s = [at_s for at_s in pauses if at_s < judged.at_s][-1]
    sentences = timeline.select("agent", "sentence")
    return [event for event in sentences if event.at_s < cut_s][-1], cut_s
