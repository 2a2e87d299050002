"""Folders and MedMNIST files -> squares and labels."""

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medmamba import data
from medmamba.data import UNLABELLED, check_classes, count_pictures, load_split, picture_paths
from medmamba.errors import DataError, ImageError
from medmamba.tasks import ClassName, Task


def task_of(*classes, **fields):
    names = tuple(ClassName(c, c) for c in classes)
    return Task("skin", "dermatoscopy", "Which?", names, "made up", "none", "none", **fields)


@pytest.fixture
def tree(tmp_path):
    """skin/{train,val}/{b,a,c}: pictures of one grey, which is the number of their class times 50."""

    def make(classes=("b", "a", "c"), splits=("train", "val"), count=2):
        for split in splits:
            for number, name in enumerate(classes):
                for i in range(count + number):
                    path = tmp_path / "skin" / split / name / f"{i}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.full((20, 30), 50 * number, np.uint8)).save(path)
        return tmp_path

    return make


@pytest.fixture
def medmnist(tmp_path):
    """A file as MedMNIST's: labels in a column, pictures grey or coloured."""

    def make(colour):
        shape = (4, 28, 28, 3) if colour else (4, 28, 28)
        pictures = np.arange(4, dtype=np.uint8).reshape(4, *[1] * (len(shape) - 1)) * np.ones(shape, np.uint8) * 10
        arrays = {f"{s}_images": pictures for s in ("train", "val", "test")}
        labels = np.array([[1], [0], [2], [1]], np.uint8)
        np.savez(tmp_path / "skin.npz", **arrays, **{f"{s}_labels": labels for s in ("train", "val", "test")})
        return tmp_path

    return make


def test_a_folder_of_class_folders(tree):
    split = load_split(tree(), task_of("b", "a", "c"), "train", 16)
    assert split.squares.shape == (9, 16, 16, 3)
    assert split.squares.dtype == np.uint8
    assert split.labels.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert split.labels.dtype == np.int64
    assert (split.squares == 50 * split.labels[:, None, None, None]).all()  # the task's order, not the alphabet's
    assert len(split) == 9


def test_the_listing_is_in_the_order_of_the_labels(tree):
    root = tree()
    paths = picture_paths(root, task_of("b", "a", "c"), "val")
    assert [str(p.relative_to(root / "skin")) for p in paths[:3]] == ["val/b/0.png", "val/b/1.png", "val/a/0.png"]


def test_a_class_folder_that_may_not_be_looked_into_is_named(tree, monkeypatch):
    root, access = tree(), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "a" and access(path, mode))
    with pytest.raises(DataError, match="Class folders of skin/val may not be looked into: a"):
        load_split(root, task_of("a", "b", "c"), "val", 8)


def test_a_task_without_classes_takes_every_folder(tree):
    split = load_split(tree(), task_of(), "train", 16)
    assert len(split) == 9
    assert (split.labels == UNLABELLED).all()


def test_what_systems_leave_behind_is_no_picture_and_no_class(tree):
    root = tree()
    folder = root / "skin" / "train"
    for name in (".DS_Store", "a/.DS_Store", "a/Thumbs.db", ".ipynb_checkpoints/0.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not a picture")
    assert len(load_split(root, task_of("b", "a", "c"), "train", 16)) == 9
    assert len(load_split(root, task_of(), "train", 16)) == 9


def test_an_absent_split_is_empty(tree):
    split = load_split(tree(), task_of("b", "a", "c"), "test", 16)
    assert len(split) == 0
    assert split.squares.shape == (0, 16, 16, 3)


def test_an_absent_task_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no folder for the task skin"):
        load_split(tmp_path, task_of("a"), "train", 16)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("a", "b"), r"missing \[\], unknown \['c'\]"),
        (("a", "b", "c", "d"), r"missing \['d'\], unknown \[\]"),
        (("a", "B", "c"), r"missing \['B'\], unknown \['b'\]"),
    ],
)
def test_wrong_class_folders_are_named(tree, classes, message):
    with pytest.raises(DataError, match=message):
        load_split(tree(), task_of(*classes), "train", 16)


def test_a_file_that_is_no_picture_is_an_error(tree):
    root = tree()
    (root / "skin" / "train" / "a" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match=r"^File 4, by name, of the class folder a: ") as caught:
        load_split(root, task_of("b", "a", "c"), "train", 16)
    assert "broken" not in str(caught.value)


def test_the_cache_is_used_again(tree, tmp_path, monkeypatch):
    root, cache, task = tree(), tmp_path / "cache", task_of("b", "a", "c")
    first = load_split(root, task, "train", 16, cache)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(data.images, "read", None)
    again = load_split(root, task, "train", 16, cache)
    assert np.array_equal(again.squares, first.squares)
    assert np.array_equal(again.labels, first.labels)


def test_a_full_disk_leaves_no_part_of_the_cache(tree, tmp_path, monkeypatch):
    def full(place, _):
        place.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        load_split(tree(), task_of("b", "a", "c"), "train", 16, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_cache_takes_any_name_of_a_picture_and_of_a_task(tree, tmp_path):
    root, cache, task = tree(), tmp_path / "cache", task_of("b", "a", "c")
    picture = root / "skin" / "train" / "a" / "0.png"
    picture.rename(picture.with_name(os.fsdecode(b"r\xf6ntgen.png")))  # as archives of older systems leave them
    (root / "dermatoscopy").mkdir()
    (root / "skin").rename(root / "dermatoscopy" / "skin")
    nested = replace(task, name="dermatoscopy/skin")
    first = load_split(root, nested, "train", 16, cache)
    assert len(first) == 9
    assert np.array_equal(load_split(root, nested, "train", 16, cache).squares, first.squares)


def test_the_cache_is_not_used_for_other_pictures_splits_or_sizes(tree, tmp_path):
    root, cache, task = tree(), tmp_path / "cache", task_of("b", "a", "c")
    load_split(root, task, "train", 16, cache)
    load_split(root, task, "train", 20, cache)
    load_split(root, task, "val", 16, cache)
    assert len(list(cache.iterdir())) == 3
    (root / "skin" / "train" / "a" / "0.png").unlink()
    assert len(load_split(root, task, "train", 16, cache)) == 8


def test_a_replaced_picture_is_read_again_and_a_copied_one_is_not(tree, tmp_path):
    root, cache, task = tree(), tmp_path / "cache", task_of("b", "a", "c")
    path = root / "skin" / "train" / "b" / "0.png"
    Image.fromarray(np.full((20, 30), 11, np.uint8)).save(path, "BMP")
    load_split(root, task, "train", 16, cache)
    os.utime(path, (1, 1))
    load_split(root, task, "train", 16, cache)
    assert len(list(cache.iterdir())) == 1
    size = path.stat().st_size
    Image.fromarray(np.full((20, 30), 77, np.uint8)).save(path, "BMP")
    assert path.stat().st_size == size
    assert (load_split(root, task, "train", 16, cache).squares[0] == 77).all()


def test_a_cache_half_written_is_not_taken_for_whole(tree, tmp_path, monkeypatch):
    root, cache, task = tree(), tmp_path / "cache", task_of("b", "a", "c")

    def killed(path, squares):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            load_split(root, task, "train", 16, cache)
    assert len(load_split(root, task, "train", 16, cache)) == 9


@pytest.mark.parametrize("colour", [False, True])
def test_a_medmnist_file(medmnist, colour):
    split = load_split(medmnist(colour), task_of("a", "b", "c", npz="skin.npz"), "val", 32)
    assert split.squares.shape == (4, 32, 32, 3)
    assert split.labels.tolist() == [1, 0, 2, 1]
    assert split.squares[:, 5, 5, 2].tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (np.zeros((4, 14), np.uint8), task_of("a", "b", npz="skin.npz")),
        (np.zeros(3, np.uint8), task_of("a", "b", npz="skin.npz")),
        (np.array([[0], [1], [2], [1]]), task_of("a", "b", npz="skin.npz")),
        (np.array([0, 1, -1, 1]), task_of("a", "b", npz="skin.npz")),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, task):
    np.savez(tmp_path / "skin.npz", val_images=np.zeros((4, 28, 28), np.uint8), val_labels=labels)
    with pytest.raises(DataError, match=r"labels of val in skin\.npz do not fit its pictures, or not the 2 classes"):
        load_split(tmp_path, task, "val", 28)


@pytest.mark.parametrize("shape", [(4, 28), (4, 28, 28, 4)])
def test_pictures_of_other_shapes_are_refused(tmp_path, shape):
    np.savez(tmp_path / "skin.npz", val_images=np.zeros(shape, np.uint8), val_labels=np.zeros(4, np.uint8))
    with pytest.raises(DataError, match=r"pictures of val in skin\.npz are not 8-bit grey or colour"):
        load_split(tmp_path, task_of("a", "b", npz="skin.npz"), "val", 28)


def test_a_medmnist_file_without_the_split_has_none_of_its_pictures(tmp_path):
    np.savez(tmp_path / "skin.npz", train_images=np.zeros((4, 28, 28), np.uint8), train_labels=np.zeros(4, np.uint8))
    task = task_of("a", "b", npz="skin.npz")
    assert [len(load_split(tmp_path, task, split, 32)) for split in ("train", "val")] == [4, 0]
    assert load_split(tmp_path, task, "val", 32).squares.shape == (0, 32, 32, 3)


def test_pictures_are_counted_without_reading_one(tree, monkeypatch):
    monkeypatch.setattr(data.images, "read", lambda *_, **__: pytest.fail("a picture is read"))
    root, task = tree(splits=("train",)), task_of("b", "a", "c")
    for name in task.class_names:
        (root / "skin" / "val" / name).mkdir(parents=True)
        (root / "skin" / "val" / name / ".DS_Store").write_text("no picture")
    assert [count_pictures(root, task, split) for split in ("train", "val", "test")] == [9, 0, 0]
    with pytest.raises(DataError, match="missing"):
        count_pictures(root, task_of("b", "a", "d"), "val")


def test_pictures_of_a_medmnist_file_are_counted(tmp_path):
    pictures, none = np.zeros((4, 28, 28), np.uint8), np.zeros((0, 28, 28), np.uint8)
    np.savez(tmp_path / "skin.npz", train_images=pictures, val_images=none, val_labels=none[:, :1, 0])
    task = task_of(npz="skin.npz")
    assert [count_pictures(tmp_path, task, split) for split in ("train", "val", "test")] == [4, 0, 0]
    (tmp_path / "skin.npz").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match=r"skin\.npz is damaged"):
        count_pictures(tmp_path, task, "train")


def test_classes_without_a_picture_are_named_before_any_is_read(tree, monkeypatch):
    monkeypatch.setattr(data.images, "read", lambda *_, **__: pytest.fail("a picture is read"))
    root, task = tree(), task_of("b", "a", "c")
    check_classes(root, [task, task_of()], "train")
    for name in ("b", "c"):
        for path in (root / "skin" / "val" / name).iterdir():
            path.unlink()
    check_classes(root, [task], "train")
    check_classes(root, [task_of()], "val")
    with pytest.raises(DataError, match=r"without a picture in val: skin/b, skin/c\. Put some"):
        check_classes(root, [task], "val")
    with pytest.raises(DataError, match="in test: skin/b, skin/a, skin/c"):
        check_classes(root, [task], "test")


def test_classes_without_a_picture_in_a_medmnist_file_are_named(medmnist):
    root = medmnist(colour=False)
    check_classes(root, [task_of("a", "b", "c", npz="skin.npz"), task_of(npz="skin.npz")], "train")
    with pytest.raises(DataError, match="in train: skin/d"):
        check_classes(root, [task_of("a", "b", "c", "d", npz="skin.npz")], "train")
    with pytest.raises(DataError, match="in extra: skin/a"):
        check_classes(root, [task_of("a", npz="skin.npz")], "extra")


def test_a_medmnist_file_of_a_task_without_classes(medmnist):
    split = load_split(medmnist(colour=False), task_of(npz="skin.npz"), "val", 32)
    assert split.labels.tolist() == [UNLABELLED] * 4


def test_an_absent_medmnist_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no file skin\.npz"):
        load_split(tmp_path, task_of("a", npz="skin.npz"), "train", 16)


def test_another_npz_file_is_an_error(tmp_path):
    np.savez(tmp_path / "skin.npz", pictures=np.zeros(3))
    with pytest.raises(DataError, match="train_images and train_labels cannot be read"):
        load_split(tmp_path, task_of("a", npz="skin.npz"), "train", 16)


def test_a_damaged_npz_file_is_an_error(medmnist):
    path = medmnist(colour=False) / "skin.npz"
    whole = path.read_bytes()
    for damaged in (b"", b"damaged", whole[:100], whole[:-50]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a MedMNIST file"):
            load_split(path.parent, task_of("a", npz="skin.npz"), "train", 16)


def test_a_single_array_is_an_error(tmp_path):
    with (tmp_path / "skin.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="not a MedMNIST file"):
        load_split(tmp_path, task_of("a", npz="skin.npz"), "train", 16)


@pytest.mark.shared_data
def test_real_pictures(shared_data):
    pneumonia = task_of("normal", "pneumonia", npz="pneumoniamnist/pneumoniamnist.npz")
    split = load_split(shared_data, pneumonia, "test", 28)
    assert np.bincount(split.labels).tolist() == [234, 390]  # as published
    assert split.squares.shape == (624, 28, 28, 3)
