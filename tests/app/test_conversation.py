import pytest

from app import conversation


def steps(generator):
    return list(generator)


@pytest.fixture
def wish(service, png):
    return {"request": 7, "token": service.hold(png()), "language": "en"}


def test_results_come_in_the_order_picture_answer_map(service, wish):
    messages = steps(conversation.ask(service, wish | {"task": "kidney-ct"}))
    assert [message["progress"] for message in messages] == ["classifying", "done"]
    assert all(message["request"] == 7 and message["picture"]["width"] == 96 for message in messages)
    assert ["panel" in message for message in messages] == [False, True]
    assert len(messages[-1]["evidence"]["values"]) == 2


def test_an_answer_does_not_wait_for_a_map_that_takes_long(service, wish):
    messages = steps(conversation.ask(service, wish | {"task": "kidney-ct", "stage": 3}))
    assert [message["progress"] for message in messages] == ["classifying", "mapping", "done"]
    assert ["panel" in message for message in messages] == [False, True, True], "one lost on the way does no harm"
    assert ["evidence" in message for message in messages] == [False, False, True]


def test_an_answer_without_classes_says_that_it_has_no_map(service, wish):
    message = steps(conversation.ask(service, wish | {"task": "retinal-oct"}))[-1]
    assert message["evidence"] is None


def test_what_fails_late_leaves_what_was_found_before(service, wish, monkeypatch):
    monkeypatch.setattr(service, "evidence", lambda *_: 1 / 0)
    message = steps(conversation.ask(service, wish | {"task": "kidney-ct", "stage": 3}))[-1]
    assert message["error"]
    assert (message["request"], message["progress"], message["picture"]["width"]) == (7, "done", 96)
    assert "Cyst" in message["panel"]
    assert "evidence" not in message


def test_the_map_is_of_the_class_asked_for(service, wish):
    wish |= {"task": "kidney-ct", "className": "tumor", "method": "integrated-gradients", "stage": 3}
    message = steps(conversation.ask(service, wish))[-1]
    evidence = message["evidence"]
    assert (evidence["className"], evidence["method"], evidence["stage"]) == ("tumor", "integrated-gradients", 3)


def test_trust_is_told_on_demand(service, wish):
    message = steps(conversation.trust(service, wish | {"task": "kidney-ct"}))[-1]
    assert "Blurring the marked tenth" in message["trust"]
    assert "panel" not in message


@pytest.mark.parametrize(
    "change",
    [
        {"token": "unknown"},
        {"token": None},
        {"token": 3},
        {"frame": True},
        {"frame": -1},
        {"frame": "0"},
        {"task": "no such task"},
        {"checkpoint": "../../etc"},
        {"className": "no such class", "task": "kidney-ct"},
        {"method": "guess", "task": "kidney-ct"},
        {"method": "eigen-cam", "task": "kidney-ct"},
        {"stage": 9, "task": "kidney-ct"},
        {"method": "x" * 1000},
    ],
)
def test_whatever_the_browser_sends_ends_in_a_sentence(service, wish, change):
    message = steps(conversation.ask(service, wish | change))[-1]
    assert message["error"].endswith(".")
    assert message["progress"] == "done"


@pytest.mark.parametrize("data", [None, [], "text", 3, {}])
def test_requests_that_are_no_requests(service, data):
    assert steps(conversation.ask(service, data))[-1]["error"]


def test_a_fault_of_ours_is_worded_and_logged_without_its_text(service, wish, monkeypatch, caplog):
    def fail(*_):
        raise ValueError("DOE^JOHN")

    monkeypatch.setattr(service, "classify", fail)
    message = steps(conversation.ask(service, wish))[-1]
    assert "on our side" in message["error"]
    assert "ValueError at fail" in caplog.text
    assert "DOE" not in caplog.text
