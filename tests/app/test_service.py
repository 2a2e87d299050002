import io
import shutil

import numpy as np
import pytest
from PIL import Image

from app.service import Question, Service
from app.store import ANSWERS_KEPT, PictureStore
from medmamba import images
from medmamba.checkpoints import CARD, Card
from medmamba.classifier import Classifier
from medmamba.errors import CheckpointError, ImageError, RequestError
from medmamba.images.picture import PART
from tests.app.conftest import make_pages


def test_the_page_and_the_classifier_agree_exactly(service, checkpoint_root, png):
    data = png()
    analysis = service.classify(Question(service.hold(data)))
    answer = Classifier.load(checkpoint_root / "generalist").answer(images.read(data).display())
    assert analysis.answer.scores == answer.scores
    assert analysis.answer.routes == answer.routes
    assert analysis.checkpoint == "generalist"


def test_another_task_is_answered_without_another_pass(service, png, monkeypatch):
    token = service.hold(png())
    first = service.classify(Question(token))
    monkeypatch.setattr(Classifier, "answer_batch", lambda *_: pytest.fail("a second pass"))
    second = service.classify(Question(token, task="blood-cells"))
    assert (second.answer.task, second.answer.chosen_by) == ("blood-cells", "user")
    assert first.seconds is not None
    assert second.seconds is None
    assert service.classify(Question(token)).answer is first.answer


def test_answers_count_among_what_is_held(service, png):
    token = service.hold(png())
    service.picture(token)
    before = service.holdings()[1]
    answer = service.classify(Question(token)).answer
    assert service.holdings() == (1, before + answer.nbytes)


def test_a_file_of_many_frames_takes_no_more_memory_than_a_few_answers(service):
    greys = range(0, 10 * (ANSWERS_KEPT + 4), 10)
    token = service.hold(make_pages(*greys))
    sizes = []
    for frame in range(len(greys)):
        service.classify(Question(token, frame))
        sizes.append(service.holdings()[1])
    assert sizes[ANSWERS_KEPT - 1] > sizes[ANSWERS_KEPT - 2]
    assert len(set(sizes[ANSWERS_KEPT - 1 :])) == 1
    assert service.classify(Question(token, len(greys) - 1)).seconds is None
    assert service.classify(Question(token, 0)).seconds is not None


def test_a_picture_that_was_taken_in_is_there_when_it_is_asked_about(checkpoint_root, png):
    service = Service(PictureStore(3 * len(png()), 900.0), root=checkpoint_root)
    tokens = [service.take_in(png(seed=seed)) for seed in range(6)]
    assert all(service.classify(Question(token)).answer.task for token in tokens)


def test_a_part_is_a_picture_of_its_own(service, png):
    whole = service.hold(png())
    part = service.take_part(whole, 0, 8, 4, 64, 48)
    seen = service.picture(whole).display()[4:52, 8:72]
    np.testing.assert_array_equal(service.picture(part).display(), seen)
    buffer = io.BytesIO()
    Image.fromarray(seen).save(buffer, "PNG")
    answer, same = (service.classify(Question(token)) for token in (part, service.hold(buffer.getvalue())))
    assert answer.answer.scores == same.answer.scores
    assert PART in answer.warnings
    service.drop(whole)
    assert service.picture(part) is not None
    with pytest.raises(RequestError, match="no longer held"):
        service.take_part(whole, 0, 8, 4, 64, 48)


def test_a_map_and_its_trust(service, png):
    analysis = service.classify(Question(service.hold(png()), task="kidney-ct"))
    map_ = service.evidence(analysis, "cyst")
    assert map_.values.shape == (2, 2)
    assert np.isfinite(service.trust(analysis, map_).fall)
    with pytest.raises(RequestError, match="no class"):
        service.evidence(analysis, "platelet")


def test_the_named_checkpoint_answers(service, png):
    token = service.hold(png())
    assert service.classify(Question(token, checkpoint="second")).card.name == "second"
    with pytest.raises(RequestError, match="generalist, second"):
        service.classify(Question(token, checkpoint="../generalist"))


@pytest.mark.parametrize(("question", "error"), [({"task": "none"}, RequestError), ({"frame": 3}, ImageError)])
def test_what_does_not_exist_is_refused(service, png, question, error):
    with pytest.raises(error):
        service.classify(Question(service.hold(png()), **question))


def test_the_default_checkpoint_comes_first(checkpoint_root):
    store = PictureStore(2**20, 10)
    assert list(Service(store, checkpoint_root).usable()) == ["generalist", "second"]
    assert list(Service(store, checkpoint_root, default="second").usable()) == ["second", "generalist"]


def test_no_other_checkpoint_stands_in_for_a_damaged_default(tmp_path, png, checkpoint_root):
    shutil.copytree(checkpoint_root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "generalist" / CARD).write_text("{}")
    service = Service(PictureStore(2**24, 100), root=tmp_path)
    token = service.hold(png())
    assert service.default_card() is None
    with pytest.raises(CheckpointError, match="cannot be used"):
        service.classify(Question(token))
    assert service.classify(Question(token, checkpoint="second")).card.name == "second"


def test_without_a_checkpoint_the_error_says_what_to_do(tmp_path, png):
    service = Service(PictureStore(2**24, 100), root=tmp_path)
    service.warm()
    with pytest.raises(CheckpointError, match="checkpoints folder"):
        service.classify(Question(service.hold(png())))


def test_a_card_is_read_again_only_when_its_file_changes(tmp_path, png, checkpoint_root, monkeypatch):
    shutil.copytree(checkpoint_root / "generalist", tmp_path / "generalist")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / CARD).write_text("{}")
    service, from_json, texts = Service(PictureStore(2**24, 100), root=tmp_path), Card.from_json, []
    service.classify(Question(service.hold(png())))
    monkeypatch.setattr(Card, "from_json", lambda text: (texts.append(text), from_json(text))[1])
    service.classify(Question(service.hold(png(seed=1))))
    assert isinstance(service.models()["odd"], CheckpointError)
    assert texts == []
    (tmp_path / "odd" / CARD).write_text("[1]")
    service.classify(Question(service.hold(png(seed=2))))
    assert texts == ["[1]"]


def test_a_changed_checkpoint_is_loaded_anew(tmp_path, png, checkpoint_root):
    for name in ("generalist", "second"):
        shutil.copytree(checkpoint_root / name, tmp_path / name)
    service = Service(PictureStore(2**24, 100), root=tmp_path)
    before = service.classify(Question(service.hold(png()))).answer
    shutil.rmtree(tmp_path / "generalist")
    (tmp_path / "second").rename(tmp_path / "generalist")
    assert service.classify(Question(service.hold(png()))).answer.routes != before.routes
