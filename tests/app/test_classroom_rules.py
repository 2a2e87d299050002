"""The rules of a room with known answers: steps, deadlines, codes, names, answers."""

import pytest

from app.classroom import rules
from app.classroom.rules import Reply, RoomError, Stage


def walk(*steps, cases=2, seconds=None, now=0.0):
    stage = Stage()
    for step in steps:
        stage = rules.after(stage, step, cases, seconds, now)
    return stage


def test_a_whole_room():
    assert walk("start") == Stage("open", 0)
    assert walk("start", "close") == Stage("closed", 0)
    assert walk("start", "close", "reopen") == Stage("open", 0)
    assert walk("start", "close", "reveal") == Stage("revealed", 0)
    assert walk("start", "close", "reveal", "next") == Stage("open", 1)
    assert walk("start", "close", "reveal", "next", "end") == Stage("ended", 1)


@pytest.mark.parametrize(
    "steps",
    [("close",), ("reveal",), ("next",), ("reopen",), ("start", "start"), ("start", "reveal"), ("start", "next"),
     ("start", "close", "next"), ("end", "end"), ("end", "start"), ("dance",), ("start", "close", "reveal", "reopen")],
)  # fmt: skip
def test_steps_that_do_not_follow_are_refused(steps):
    with pytest.raises(RoomError):
        walk(*steps)


def test_there_is_no_case_after_the_last():
    with pytest.raises(RoomError, match="last case"):
        walk("start", "close", "reveal", "next", cases=1)


def test_the_arrow_key_leads_through_the_whole_room():
    stage, taken = Stage(), []
    while step := rules.forward(stage, 2):
        stage = rules.after(stage, step, 2, None, 0.0)
        taken.append(step)
    assert taken == ["start", "close", "reveal", "next", "close", "reveal", "end"]
    assert stage == Stage("ended", 1)


def test_a_deadline_closes_the_case_after_its_grace():
    stage = walk("start", seconds=30, now=100.0)
    assert stage.deadline == 130.0
    assert stage.at(130.0 + rules.GRACE - 0.01) is stage
    assert stage.at(130.0 + rules.GRACE) == Stage("closed", 0)
    assert rules.after(stage, "reveal", 2, 30, 140.0) == Stage("revealed", 0)
    with pytest.raises(RoomError):
        rules.after(stage, "close", 2, 30, 140.0)
    assert rules.after(stage.at(140.0), "reopen", 2, 30, 140.0).deadline == 170.0


def test_codes_are_six_letters_that_cannot_be_confused_and_never_taken():
    codes = {rules.new_code(()) for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code) == 6 and set(code) <= set("ABCDEFGHJKMNPQRSTUVWXYZ") for code in codes)

    class AllButOne:
        def __contains__(self, code):
            return not code.startswith("Q")

    assert rules.new_code(AllButOne()).startswith("Q")


@pytest.mark.parametrize("typed", ["ABCDEF", "abc def", " AbC-dEf ", "abcdef\n"])
def test_codes_are_read_as_they_were_meant(typed):
    assert rules.code_of(typed) == "ABCDEF"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Ann  Lee ", "Ann Lee"),
        ("Ann\u0000\u202e\u200b\nLee", "Ann Lee"),
        ("<b>Ann</b>", "<b>Ann</b>"),
        ("x" * 1000, "x" * 24),
        ("Z\u0335\u0336\u0337\u0338\u0321", "Z\u0335\u0336"),
        ("José", "José"),
        ("\u2028\u00a0", ""),
        ("李小龙", "李小龙"),
    ],
)
def test_names_lose_what_would_disturb_others(typed, name):
    assert rules.name_of(typed) == name


def test_equal_names_are_told_apart():
    assert rules.label_of("Ann", 3, ()) == "Ann"
    assert rules.label_of("ann", 3, {"ann", "ann 2"}) == "ann 3"
    assert rules.label_of("", 7, ()) == "#7"
    assert rules.label_of("#7", 3, ()) == "#3", "nobody is taken for the seventh"
    assert rules.label_of("#teamwork", 3, ()) == "#teamwork"


def test_an_answer_is_read():
    reply = rules.reply_of({"choice": "a", "confidence": 3, "mark": [0, 0.5]}, {"a", "b"})
    assert reply == Reply("a", 3, (0.0, 0.5))
    assert rules.reply_of({"choice": "b", "confidence": 1}, {"a", "b"}) == Reply("b", 1, None)


@pytest.mark.parametrize(
    "data",
    [
        None, [], "a", {}, {"choice": "c", "confidence": 1}, {"choice": ["a"], "confidence": 1}, {"choice": "a"},
        {"choice": "a", "confidence": 0}, {"choice": "a", "confidence": True}, {"choice": "a", "confidence": 1.0},
        {"choice": "a", "confidence": 1, "mark": [0.5]}, {"choice": "a", "confidence": 1, "mark": [0.5, 1.01]},
        {"choice": "a", "confidence": 1, "mark": [float("nan"), 0]}, {"choice": "a", "confidence": 1, "mark": "ab"},
        {"choice": "a", "confidence": 1, "mark": [True, 0]}, {"choice": "a", "confidence": 1, "mark": [10**400, 0]},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(RoomError):
        rules.reply_of(data, {"a", "b"})
