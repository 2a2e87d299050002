import pytest

from app import batch
from medmamba.errors import RequestError


def run(service, **data):
    return list(batch.rows(service, {"request": 1, "language": "en"} | data))


def test_a_row_for_every_file_with_its_own_error(service, png):
    tokens = [service.hold(png()), service.hold(b"no picture"), service.hold(png(seed=1))]
    messages = run(service, tokens=tokens, task="kidney-ct")
    assert [len(message["rows"]) for message in messages] == [1, 2, 3]
    assert [message["finished"] for message in messages] == [False, False, True]
    good, bad, _ = messages[-1]["rows"]
    assert good["task"] == "kidney-ct"
    assert sum(good["probabilities"].values()) == pytest.approx(1)
    assert good["prediction_set"] == ["cyst", "normal", "tumor"]
    assert good["thumbnail"].startswith("data:image/jpeg")
    assert bad["error"].endswith(".")
    assert "task" not in bad


def test_a_refused_row_names_its_kind_as_no_more_than_the_nearest(service, png):
    (row,) = run(service, tokens=[service.hold(png())], task="covid-ct")[-1]["rows"]
    assert row["refused"]
    assert row["modalityWords"] == "Nearest kind: CT"


def test_files_are_forgotten_when_answered(service, png):
    token = service.hold(png())
    run(service, tokens=[token])
    with pytest.raises(RequestError):
        service.picture(token)


NO_REQUESTS = [{}, {"tokens": "abc"}, {"tokens": [1]}, {"tokens": ["a"] * 17}, {"tokens": ["a"], "task": 3}]


@pytest.mark.parametrize("data", NO_REQUESTS)
def test_requests_that_are_none_end_in_a_sentence(service, data):
    (message,) = run(service, **data)
    assert message["error"].endswith(".")
