from app import facts
from app.texts import texts_for
from medmamba.errors import CheckpointError

EN = texts_for("en")


def test_every_checkpoint_has_its_page_or_its_error(service, checkpoint_root):
    models = service.models() | {"<broken>": CheckpointError("It has no card.")}
    html = facts.page(models, EN)
    assert html.count('class="mm-model"') == 2
    assert "&lt;broken&gt;" in html
    assert "It has no card." in html
    card = models["generalist"]
    assert card.sha256 in html
    for task in card.layout.tasks:
        assert task.caveat in html


def test_figures_come_with_their_intervals(service):
    card = service.models()["generalist"]
    accuracy = card.metrics["kidney-ct"]["accuracy"]
    expected = f"{accuracy['value'] * 100:.1f} % ({accuracy['low'] * 100:.1f} – {accuracy['high'] * 100:.1f} %)"
    assert expected in facts.page({"generalist": card}, EN)
    assert facts.estimate(None, "auc") == "–"
    assert facts.estimate({"value": 0.5, "low": None, "high": None}, "auc") == "0.500"


def test_a_task_without_classes_has_no_figures(service):
    assert "No test figures" in facts.page(service.models(), EN)


def test_no_checkpoint_says_what_to_do():
    assert "checkpoints folder" in facts.page({}, EN)
