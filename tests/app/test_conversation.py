import shutil

import numpy as np
import pytest

from app import conversation
from app.service import Service
from app.store import PictureStore
from medmamba.checkpoints import CARD, WEIGHTS
from medmamba.classifier import Classifier
from medmamba.images.fuzz_seeds import nifti


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


@pytest.mark.parametrize(("file", "name"), [(CARD, "generalist"), (WEIGHTS, "Test generalist")])
def test_a_damaged_model_is_named_and_the_others_are_offered(tmp_path, png, checkpoint_root, file, name):
    shutil.copytree(checkpoint_root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "generalist" / file).write_text("damaged")
    service = Service(PictureStore(2**24, 100), root=tmp_path)
    wish = {"request": 7, "token": service.hold(png()), "language": "en"}
    message = steps(conversation.ask(service, wish))[-1]
    assert message["error"].endswith(".")
    assert "panel" not in message
    assert f"The model “{name}” cannot be used" in message["others"]
    assert message["others"].count("<option") == 2
    assert '<option value="second">' in message["others"]
    assert "panel" in steps(conversation.ask(service, wish | {"checkpoint": "second", "task": "kidney-ct"}))[-1]


def test_the_map_is_of_the_class_asked_for(service, wish):
    wish |= {"task": "kidney-ct", "className": "tumor", "method": "integrated-gradients", "stage": 3}
    message = steps(conversation.ask(service, wish))[-1]
    evidence = message["evidence"]
    assert (evidence["className"], evidence["method"], evidence["stage"]) == ("tumor", "integrated-gradients", 3)


def test_a_class_of_another_frame_s_question_gives_way_to_the_most_probable(service, wish, monkeypatch):
    monkeypatch.setattr(Classifier, "_routes", lambda *_: (("kidney-ct", 0.9), ("blood-cells", 0.1)))
    plain = steps(conversation.ask(service, wish))[-1]
    message = steps(conversation.ask(service, wish | {"className": "platelet"}))[-1]
    assert "error" not in message
    assert message["evidence"] == plain["evidence"]
    assert message["panel"].count('aria-pressed="true"') == 1
    assert "error" not in steps(conversation.trust(service, wish | {"className": "platelet"}))[-1]


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


def test_a_report_of_values_below_one_through_any_window_of_the_viewer(service, wish):
    token = service.hold(nifti(np.random.default_rng(0).random((64, 64, 2), np.float32)))
    picture = steps(conversation.ask(service, wish | {"token": token, "task": "kidney-ct"}))[-1]["picture"]
    assert len(picture["presets"]) > 4
    for preset in picture["presets"]:
        window = [preset["centre"], preset["width"], preset["function"]]
        report = wish | {"token": token, "task": "kidney-ct", "format": "png", "window": window}
        assert "report" in steps(conversation.write_report(service, report))[-1], preset["name"]


@pytest.mark.parametrize(
    "window",
    [
        [1, 2],
        [1, 2, 3],
        ["1", 2, "LINEAR"],
        [1, 2, "CUBIC"],
        [1, -2, "LINEAR"],
        [1, 9, "LUT"],
        [10**400, 1, "LINEAR"],
        [float("nan"), 1, "LINEAR"],
        [True, 2, "LINEAR"],
    ],
)
def test_a_window_that_is_none_ends_in_a_sentence(service, wish, window):
    picture = {"token": service.hold(nifti(np.ones((64, 64, 2), np.float32))), "task": "kidney-ct"}
    message = steps(conversation.write_report(service, wish | picture | {"format": "png", "window": window}))[-1]
    assert "window is not" in message["error"]


@pytest.mark.parametrize("opacity", [10**400, float("nan"), -1])
def test_an_opacity_that_is_none_ends_in_a_sentence(service, wish, opacity):
    message = steps(conversation.write_report(service, wish | {"format": "png", "opacity": opacity}))[-1]
    assert message["error"] == "The opacity must lie between 0 and 1."


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
