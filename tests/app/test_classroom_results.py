"""Heat, overlap and results with known answers."""

import numpy as np
import pytest

from app.classroom import marks
from app.classroom.results import Differences, Tally, results
from app.classroom.rules import Reply
from app.classroom.store import Answered, Case

LEFT = [[1.0, 0.0], [1.0, 0.0]]  # evidence on the left half of the picture


def case(position, truth, network=None, map_=None):
    says = None if network is None else {"choice": network, "evidence": map_ and {"values": map_, "reference": 1.0}}
    return Case(position, position, "token", 8, 8, truth, "", "", "", says)


def given(position, *choices, mark=None, confidence=2):
    return [Answered(position, i, Reply(choice, confidence, mark)) for i, choice in enumerate(choices, 1)]


def test_heat_is_densest_where_the_marks_are():
    heat = marks.heat([(0.25, 0.75)] * 3 + [(0.75, 0.25)])
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.max() == 1
    assert (column, row) == pytest.approx((0.25 * marks.GRID - 0.5, 0.75 * marks.GRID - 0.5), abs=1)
    assert heat[int(0.25 * marks.GRID), int(0.75 * marks.GRID)] == pytest.approx(1 / 3, abs=0.05)
    assert heat[0, 0] < 1e-3
    assert marks.heat([]) is None


def test_overlap_is_one_on_the_strongest_evidence_zero_on_the_weakest_and_a_half_by_chance():
    assert marks.overlap([(0.0, 0.5)], LEFT) == pytest.approx(1, abs=0.15)  # ties on the plateau count half
    assert marks.overlap([(1.0, 0.5)], LEFT) == pytest.approx(0, abs=0.15)
    assert marks.overlap([(0.1, 0.5), (0.9, 0.5)], LEFT) == pytest.approx(0.5)
    places = (np.arange(marks.GRID) + 0.5) / marks.GRID
    everywhere = [(x, y) for x in places for y in places]
    for map_ in (LEFT, [[0.0, 0.0], [0.0, 5.0]], [[3.0, 1.0, -2.0]]):
        assert marks.overlap(everywhere, map_) == pytest.approx(0.5)


def test_there_is_no_overlap_without_marks_or_evidence():
    assert marks.overlap([], LEFT) is None
    assert marks.overlap([(0.5, 0.5)], [[0.0, -1.0]]) is None


def test_a_session_with_known_answers():
    cases = [case(0, "a", "a", LEFT), case(1, "a", "b", LEFT), case(2, "b", "b", LEFT)]
    answers = given(0, "a", "a", "b") + given(1, "a", "b", "c", mark=(0.1, 0.5)) + given(2, "b", "a", confidence=3)
    whole = results(cases, answers, ["a", "b", "c"])
    assert whole.students == Tally(4, 8)
    assert whole.network == Tally(2, 3)
    assert whole.vote == Tally(1, 3)  # the second and the third are tied
    assert [result.vote for result in whole.cases] == ["a", None, None]
    assert whole.cases[0].counts == {"a": 2, "b": 1}
    # Not the network's: b on case 1 (network right), a and c on case 2 (student right, neither), a on case 3 (network).
    assert whole.differences == Differences(student=1, network=2, neither=1)
    assert [(c.name, c.students, c.network) for c in whole.classes] == [
        ("a", Tally(3, 6), Tally(1, 2)),
        ("b", Tally(1, 2), Tally(1, 1)),
    ]
    assert whole.confidence == {1: Tally(0, 0), 2: Tally(3, 6), 3: Tally(1, 2)}
    assert whole.cases[1].overlap > 0.6
    assert whole.cases[0].overlap is None


def test_a_network_that_declined_was_neither_right_nor_wrong():
    declined, refusal = case(0, "a", "b", LEFT), case(1, "b", "b")
    declined.network.update(refused=True, probabilities={"a": 0.2, "b": 0.8})
    refusal.network.update(refused=True)  # to the question whether it should answer, that is its answer
    whole = results([declined, refusal], given(0, "a", "c") + given(1, "a"), ["a", "b", "c"])
    assert (whole.network, whole.declined) == (Tally(1, 1), 1)
    assert [(r.network, r.declined) for r in whole.cases] == [(None, True), ("b", False)]
    assert whole.differences == Differences(student=0, network=1, neither=0)
    assert [c.network for c in whole.classes] == [Tally(0, 0), Tally(1, 1)]


def test_without_network_and_without_answers():
    whole = results([case(0, "a")], [], ["a", "b"])
    assert whole.network == Tally(0, 0)
    assert whole.students.share is None
    assert whole.vote == Tally(0, 0)
    assert whole.differences == Differences(0, 0, 0)


def test_answers_to_cases_that_were_not_shown_do_not_count():
    assert results([case(0, "a")], given(0, "a") + given(1, "b"), ["a", "b"]).students == Tally(1, 1)
