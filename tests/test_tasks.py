"""Tasks, and where their logits lie."""

from dataclasses import asdict, replace

import pytest

from medmamba.errors import CheckpointError
from medmamba.tasks import Augmentation, ClassName, OutputLayout, Task

ENTRY = {
    "name": "skin",
    "modality": "dermatoscopy",
    "question": "Which kind?",
    "classes": [{"name": "nv", "label": "Naevus"}, {"name": "mel", "label": "Melanoma"}],
    "source": "made up",
    "licence": "none",
    "caveat": "none",
}


def test_a_task_from_a_recipe():
    task = Task.from_json(ENTRY)
    assert task.class_names == ("nv", "mel")
    assert task.classes[1] == ClassName("mel", "Melanoma")
    assert (task.uploads, task.npz, task.augmentation) == (True, None, Augmentation())


def test_every_field_survives_json():
    task = Task.from_json(
        ENTRY | {"uploads": False, "npz": "skin.npz", "augmentation": {"flips": "h", "rotation": 9.0}}
    )
    assert task.augmentation == Augmentation(flips="h", rotation=9.0, colour=0.0)
    assert Task.from_json(asdict(task)) == task


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"classes": ["nv", "mel"]},
        {"classes": [{"name": "nv"}]},
        {"classes": None},
        {"augmentation": {"flip": "h"}},
        {"augmentation": {"flips": "vertical and horizontal"}},
        {"augmentation": {"flips": None}},
        {"classes": [{"name": "nv", "label": "Naevus"}]},
        {"classes": [{"name": "nv", "label": "Naevus"}] * 2},
        {"classes": [{"name": 1, "label": "One"}, {"name": 2, "label": "Two"}]},
        {"name": ""},
        {"name": "router"},
        {"name": None},
        {"uploads": "no"},
        {"npz": 3},
        {"caveat": None},
        {"augmentation": {"rotation": "all"}},
        {"augmentation": None},
    ],
)
def test_fields_that_do_not_fit_are_refused(change):
    with pytest.raises(CheckpointError, match="not described as expected"):
        Task.from_json(ENTRY | change)


@pytest.mark.parametrize("field", ["name", "classes", "licence"])
def test_a_missing_field_is_named(field):
    with pytest.raises(CheckpointError, match=field):
        Task.from_json({k: v for k, v in ENTRY.items() if k != field})


def test_a_generalists_outputs(tasks):
    layout = OutputLayout.generalist(tasks)
    assert layout.routed == ("skin", "chest", "retina")
    assert [layout.outputs(t.name) for t in tasks] == [slice(0, 3), slice(3, 5), slice(5, 5), slice(5, 7)]
    assert layout.router == slice(7, 10)
    assert layout.num_outputs == 10


def test_every_task_has_a_route(tasks):
    layout = OutputLayout.generalist(tasks)
    assert [layout.route(t.name) for t in tasks] == [0, 1, 2, 0]  # moles are dermatoscopy, as skin is


@pytest.mark.parametrize(
    ("take", "routed", "sentence"),
    [
        (slice(0), (), "There are no tasks"),
        (slice(1), ("chest",), "router's outputs are not for tasks that there are"),
        (slice(1), ("skin", "skin"), "router's outputs are not for tasks that there are, each once"),
    ],
)
def test_layouts_that_cannot_be(tasks, take, routed, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        OutputLayout(tasks[take], routed)


def test_two_tasks_of_one_name(tasks):
    with pytest.raises(CheckpointError, match="Two tasks have the same name"):
        OutputLayout((tasks[0], replace(tasks[1], name=tasks[0].name)))


def test_a_single_task_has_no_router(tasks):
    layout = OutputLayout(tasks[:1])
    assert layout.num_outputs == 3
    assert layout.outputs("skin") == slice(0, 3)
    assert layout.router == slice(3, 3)


def test_unknown_tasks(tasks):
    with pytest.raises(KeyError):
        OutputLayout(tasks).outputs("brain")


def test_order_of_the_tasks_is_order_of_the_outputs(tasks):
    layout = OutputLayout((tasks[1], replace(tasks[0], name="other")))
    assert layout.outputs("chest") == slice(0, 2)
    assert layout.outputs("other") == slice(2, 5)
