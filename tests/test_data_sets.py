"""The paper's sixteen sets: held to the medmnist package and to sums that the notes give."""

import pytest

from medmamba import data_sets
from medmamba.data_sets import MedMnist
from medmamba.errors import DataError

MEDMNIST = [s for s in data_sets.every().values() if isinstance(s.tree, MedMnist)]


def test_there_are_sixteen_two_of_them_private():
    sets = data_sets.every()
    assert len(sets) == 16
    assert [s.name for s in sets.values() if s.access == "private"] == ["cervical-us", "otoscopy2024"]
    for s in sets.values():
        assert (s.tree is None) == (s.access == "private") == (s.page == "")
        assert s.derived, f"{s.name}: something is always derived"


@pytest.mark.parametrize("data_set", MEDMNIST, ids=lambda s: s.name)
def test_medmnist_is_as_its_package_says(data_set):
    info = pytest.importorskip("medmnist").INFO[data_set.name]
    assert data_set.title == info["python_class"]
    assert data_set.pictures == info["n_samples"]
    assert data_set.licence == info["license"]
    assert data_set.tree.md5 == {28: info["MD5"]} | {side: info[f"MD5_{side}"] for side in (64, 128, 224)}
    labels = [info["label"][str(number)] for number in range(len(info["label"]))]
    if data_set.name == "retinamnist":
        labels = [f"grade {label}" for label in labels]
    assert [c.label.lower() for c in data_set.classes] == [label.lower() for label in labels]


def test_sums_are_those_of_the_notes():
    sums = {name: s.total for name, s in data_sets.every().items() if not isinstance(s.tree, MedMnist)}
    assert sums == {
        "pad-ufes-20": 2298,
        "cervical-us": 3392,
        "fetal-planes-db": 12400,
        "cpn-x-ray": 5228,
        "kvasir": 4000,
        "otoscopy2024": 22581,
    }
    assert sum(s.total for s in MEDMNIST) == 359_456


def test_figures_are_those_of_the_authors_table():
    """Means that others print of the same figures: over the six other sets 84.07, over MedMNIST 86.15."""
    others = [s.paper["accuracy"] for s in data_sets.every().values() if s not in MEDMNIST]
    assert sum(others) / 6 == pytest.approx(0.8407, abs=5e-5)
    assert sum(s.paper["accuracy"] for s in MEDMNIST) / 10 == pytest.approx(0.8615, abs=5e-5)
    for s in data_sets.every().values():
        assert list(s.paper) == ["precision", "sensitivity", "specificity", "f1", "accuracy", "auc"]
        if len(s.classes) == 2:  # macro means of two classes
            assert s.paper["sensitivity"] == s.paper["specificity"]


def test_every_set_is_a_task_with_names_that_folders_can_have():
    for s in data_sets.every().values():
        assert s.task().class_names == tuple(c.name for c in s.classes)
        assert len(set(s.task().class_names)) == len(s.classes)
        assert not [c.name for c in s.classes if set(c.name) & set('/\\:*?"<>|')]
        if not isinstance(s.tree, MedMnist):
            assert list(s.pictures) == [c.name for c in s.classes]


def test_the_set_to_compare_a_task_with():
    found, difference = data_sets.of_paper("blood-cells")
    assert (found.name, difference) == ("bloodmnist", "more pictures, 28 px originals")
    assert data_sets.of_paper("pneumoniamnist")[1] == "the same pictures and split"
    assert data_sets.of_paper("kvasir")[1] == "the same pictures, another split"
    assert data_sets.of_paper("brain-mri") is None


def test_an_unknown_set():
    with pytest.raises(DataError, match="no data set 'imagenet'; there are: pad-ufes-20"):
        data_sets.find("imagenet")
