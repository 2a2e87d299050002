import threading

import numpy as np
import pytest

from app.engine import FULL, TOGETHER, LocalEngine
from app.main import build_engine
from app.settings import Settings
from medmamba import registry
from medmamba.classifier import Classifier
from medmamba.errors import BusyError, CheckpointError, RequestError

NAME = "generalist"


def display(seed):
    return np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)


@pytest.fixture
def engine(checkpoint_root):
    engine = LocalEngine(checkpoint_root, places=24)
    engine.card(NAME)
    yield engine
    engine.close()


@pytest.fixture
def held_up(engine):
    """The network's thread has something to do until the event is set."""
    go = threading.Event()
    engine._thread.submit(go.wait, 10)
    yield go
    go.set()


@pytest.fixture
def batches(monkeypatch):
    """How many pictures each pass took."""
    sizes, whole = [], Classifier.answer_batch

    def counted(self, displays, task=None):
        sizes.append(len(displays))
        return whole(self, displays, task)

    monkeypatch.setattr(Classifier, "answer_batch", counted)
    return sizes


class Askers:
    """Threads that ask, each one picture; ``outcomes`` by its number, once they are joined."""

    def __init__(self, engine, tasks):
        self.engine, self.outcomes = engine, {}
        self.threads = [threading.Thread(target=self.ask, args=entry) for entry in enumerate(tasks)]
        for thread in self.threads:
            thread.start()

    def ask(self, number, task):
        try:
            self.outcomes[number] = self.engine.answer(NAME, display(number), task)
        except Exception as error:
            self.outcomes[number] = error

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.outcomes


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to that")


def test_what_waits_is_answered_together_and_as_alone(engine, held_up, batches, checkpoint_root):
    askers = Askers(engine, [None] * 11)
    wait_for(lambda: engine.waiting() == 11)
    held_up.set()
    outcomes = askers.join()
    assert sorted(batches) == [11 - TOGETHER, TOGETHER]
    classifier = Classifier.load(registry.find(NAME, checkpoint_root))
    for number, answer in outcomes.items():
        alone = classifier.answer(display(number))
        assert answer.task == alone.task
        np.testing.assert_allclose(answer.logits, alone.logits, atol=1e-4)
    assert engine.waiting() == 0


def test_one_alone_is_answered_alone(engine, batches):
    engine.answer(NAME, display(0))
    assert batches == [1]


def test_only_the_same_question_shares_a_pass(engine, held_up, batches):
    tasks = [None, None, "kidney-ct", "kidney-ct", None]
    askers = Askers(engine, tasks)
    wait_for(lambda: engine.waiting() == 5)
    held_up.set()
    outcomes = askers.join()
    assert sum(batches) == 5
    assert 2 <= len(batches) <= 5
    assert [outcomes[n].chosen_by for n in range(5)] == ["router" if t is None else "user" for t in tasks]


def test_a_full_queue_says_so_at_once_and_drops_nobody(engine, held_up):
    askers = Askers(engine, [None] * 24)
    wait_for(lambda: engine.waiting() == 24)
    with pytest.raises(BusyError, match=FULL):
        engine.answer(NAME, display(99))
    held_up.set()
    assert not any(isinstance(outcome, Exception) for outcome in askers.join().values())
    engine.answer(NAME, display(99))


def test_what_fails_fails_for_those_who_asked_it(engine, held_up):
    askers = Askers(engine, ["no-such-task", None])
    wait_for(lambda: engine.waiting() == 2)
    held_up.set()
    outcomes = askers.join()
    assert isinstance(outcomes[0], RequestError)
    assert outcomes[1].task
    with pytest.raises(CheckpointError):
        engine.answer("nothing", display(0))
    assert engine.waiting() == 0


def test_a_map_of_the_last_stage_needs_no_further_pass(engine, batches):
    answer = engine.answer(NAME, display(0), "kidney-ct")
    map_ = engine.evidence(NAME, answer, "cyst")
    assert map_.class_name == "cyst"
    assert batches == [1]
    assert np.isfinite(engine.deletion_score(NAME, answer, map_).fall)
    with pytest.raises(RequestError, match="no class"):
        engine.evidence(NAME, answer, "platelet")
    assert engine.waiting() == 0


def test_zerogpu_works_the_network_on_processors(checkpoint_root, monkeypatch):
    devices, load = [], Classifier.load
    monkeypatch.setattr(Classifier, "load", lambda place, device, **_: (devices.append(device), load(place, "cpu"))[1])
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    engine = LocalEngine(checkpoint_root, places=1)
    engine.card(NAME)
    engine.close()
    assert devices == ["cpu"]


@pytest.mark.parametrize("wanted", [True, False])
def test_whether_bfloat16_is_allowed_is_a_setting(monkeypatch, wanted):
    given, load = [], Classifier.load
    monkeypatch.setattr(
        Classifier, "load", lambda place, device, bfloat16: (given.append(bfloat16), load(place, "cpu"))[1]
    )
    engine = build_engine(Settings(bfloat16=wanted))
    engine.card("generalist")
    engine.close()
    assert given == [wanted]
