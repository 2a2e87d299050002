"""Downloads of the paper's sets -> trees, on small made-up downloads of the same shape."""

import csv
import sys
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from medmamba import cli, data_sets, downloads, prepare
from medmamba.data import load_split
from medmamba.data_sets import SPLITS
from medmamba.errors import DataError
from medmamba.recipe import read_tasks

PER_CLASS = 40


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(256, size=(8, 10, 3), dtype=np.uint8)).save(path)


def of_size(name, count=PER_CLASS):
    """A set as the made-up downloads have it: as many pictures in each class."""
    found = data_sets.find(name)
    return replace(found, pictures=dict.fromkeys(found.pictures, count))


@pytest.fixture
def table(tmp_path):
    """PAD-UFES-20 or Fetal-Planes-DB in small: two pictures a patient, in several folders, in the heads of the wild."""

    def make(name):
        found, root, rows = data_sets.find(name), tmp_path / "download", []
        for place, c in enumerate(found.classes):
            for number in range(PER_CLASS):
                patient = f"{c.name}-{number // 2}"
                file = f"{place}_{number}"
                save(root / f"part_{number % 3}" / f"{file}.png", 1000 * place + number)
                rows.append(
                    {"picture": file + ("" if found.tree.suffix else ".png"), "class": c.name, "patient": patient}
                )
        heads = {"picture": found.tree.picture, "class": found.tree.category + " ", "patient": found.tree.patient}
        with (root / found.tree.file).open("w", newline="") as file:
            writer = csv.writer(file, delimiter=found.tree.delimiter)
            writer.writerow(["number", *heads.values()])
            writer.writerows([i, *row.values()] for i, row in enumerate(rows))
        return root

    return make


@pytest.fixture
def folders(tmp_path):
    """Class folders, deeper than they need be, their names in capitals."""

    def make(name):
        for place, c in enumerate(data_sets.find(name).classes):
            for number in range(PER_CLASS):
                save(tmp_path / "download" / "inner" / c.name.upper() / f"{number}.jpg", 1000 * place + number)
        return tmp_path / "download"

    return make


@pytest.fixture
def medmnist(tmp_path):
    """A MedMNIST file of a few pictures, grey or coloured, and the set that it is."""

    def make(name, side=28, colour=False, labels=None):
        found, random = data_sets.find(name), np.random.default_rng(0)
        arrays, counts = {}, {"train": 6, "val": 3, "test": 4}
        for split, count in counts.items():
            shape = (count, side, side, 3) if colour else (count, side, side)
            arrays[f"{split}_images"] = random.integers(256, size=shape, dtype=np.uint8)
            arrays[f"{split}_labels"] = (np.arange(count)[:, None] if labels is None else labels) % len(found.classes)
        path = tmp_path / (f"{name}.npz" if side == 28 else f"{name}_{side}.npz")
        np.savez(path, **arrays)
        return path, replace(found, pictures=counts), arrays

    return make


def tree_of(root, name):
    """(split, class) -> file names."""
    found = defaultdict(set)
    for path in (root / name).glob("*/*/*"):
        found[path.parts[-3], path.parts[-2]].add(path.name)
    return found


@pytest.mark.parametrize("name", ["pad-ufes-20", "fetal-planes-db"])
def test_tables_are_split_by_patient(table, tmp_path, name):
    data_set, out = of_size(name), tmp_path / "out"
    assert prepare.prepare(data_set, table(name), out) == []
    tree = tree_of(out, name)
    sides = defaultdict(set)
    for (split, category), files in tree.items():
        for file in files:
            place, number = file.removesuffix(".png").split("_")
            assert data_set.classes[int(place)].name == category
            sides[category, int(number) // 2].add(split)
    assert {len(splits) for splits in sides.values()} == {1}, "a patient is in two splits"
    for c in data_set.classes:
        assert [len(tree[split, c.name]) for split in SPLITS] == pytest.approx([24, 4, 12], abs=2)


def test_the_split_is_the_same_for_a_seed_and_another_for_another(table, tmp_path):
    data_set, source = of_size("pad-ufes-20"), table("pad-ufes-20")
    trees = []
    for number, seed in enumerate((1, 1, 2)):
        prepare.prepare(data_set, source, tmp_path / str(number), seed)
        trees.append(tree_of(tmp_path / str(number), data_set.name))
    assert trees[0] == trees[1]
    assert trees[0] != trees[2]


def test_by_picture_lets_patients_stand_on_both_sides(table, tmp_path):
    data_set = of_size("pad-ufes-20")
    prepare.prepare(data_set, table("pad-ufes-20"), tmp_path / "out", by_picture=True)
    sides = defaultdict(set)
    for (split, category), files in tree_of(tmp_path / "out", data_set.name).items():
        for file in files:
            sides[category, int(file.removesuffix(".png").split("_")[1]) // 2].add(split)
    assert 2 in {len(splits) for splits in sides.values()}


@pytest.mark.parametrize("name", ["cpn-x-ray", "kvasir"])
def test_class_folders_are_split_by_picture(folders, tmp_path, name):
    data_set = of_size(name)
    assert prepare.prepare(data_set, folders(name), tmp_path / "out") == []
    for split, count in zip(SPLITS, (24, 4, 12), strict=True):
        loaded = load_split(tmp_path / "out", data_set.task(), split, 16)
        assert np.bincount(loaded.labels).tolist() == [count] * len(data_set.classes)


def test_pictures_of_the_same_name_in_folders_of_a_class_are_all_kept(folders, tmp_path):
    source = folders("cpn-x-ray")
    for place, c in enumerate(data_sets.find("cpn-x-ray").classes):
        for number in range(PER_CLASS):
            name = f"{number}.jpg"
            save(source / "inner" / c.name.upper() / "second" / "visit" / name, 10_000 + 1000 * place + number)
    assert prepare.prepare(of_size("cpn-x-ray", 2 * PER_CLASS), source, tmp_path / "out") == []
    written = {name for names in tree_of(tmp_path / "out", "cpn-x-ray").values() for name in names}
    assert {"7.jpg", "second-visit-7.jpg"} <= written


def test_names_that_stay_the_same_are_refused(folders, tmp_path):
    source = folders("cpn-x-ray")
    for name in ("second/7.jpg", "second-7.jpg"):
        save(source / "inner" / "COVID" / name, len(name))
    with pytest.raises(DataError, match="Two pictures in folders of the class COVID"):
        prepare.prepare(of_size("cpn-x-ray"), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_of_a_single_class_are_refused(folders, tmp_path):
    source = folders("cpn-x-ray")
    for path in sorted((source / "inner" / "COVID").iterdir())[9:]:
        path.unlink()
    with pytest.raises(DataError, match="each class needs 10, of 10 groups"):
        prepare.prepare(of_size("cpn-x-ray"), source, tmp_path / "out")


def test_copies_share_a_split_and_are_told(folders, tmp_path):
    source = folders("cpn-x-ray")
    first, second = (source / "inner" / name for name in ("COVID", "NORMAL"))
    for number in range(10, 20):
        (first / f"{number}.jpg").write_bytes((first / "0.jpg").read_bytes())
    (second / "0.jpg").write_bytes((first / "1.jpg").read_bytes())
    remarks = prepare.prepare(of_size("cpn-x-ray"), source, tmp_path / "out")
    assert remarks == [
        "11 pictures are copies of others, byte for byte; copies share a split.",
        "1 pictures stand in more than one class.",
    ]
    tree = tree_of(tmp_path / "out", "cpn-x-ray")
    copies = {"0.jpg", *(f"{number}.jpg" for number in range(10, 20))}
    assert [len(copies & tree[split, "COVID"]) for split in SPLITS].count(11) == 1


@pytest.mark.parametrize("colour", [False, True])
def test_medmnist_keeps_its_splits_pixels_and_labels(medmnist, tmp_path, colour):
    path, data_set, arrays = medmnist("bloodmnist", colour=colour)
    remarks = prepare.prepare(data_set, path.parent, tmp_path / "out")
    assert remarks == ["The file is none of those whose checksums MedMNIST has published."]
    for split in SPLITS:
        loaded = load_split(tmp_path / "out", data_set.task(), split, 28)
        order = np.argsort(arrays[f"{split}_labels"][:, 0], kind="stable")
        want = arrays[f"{split}_images"][order]
        assert (loaded.squares == (want if colour else want[..., None])).all()
        assert loaded.labels.tolist() == sorted(arrays[f"{split}_labels"][:, 0].tolist())


def test_a_file_with_the_published_checksum_is_not_remarked_on(medmnist, tmp_path):
    path, data_set, _ = medmnist("breastmnist", side=64)
    digest = downloads.hashlib.md5(path.read_bytes()).hexdigest()
    data_set = replace(data_set, tree=replace(data_set.tree, md5={28: "", 64: digest}))
    assert prepare.prepare(data_set, path, tmp_path / "out") == []


@pytest.mark.shared_data
def test_pneumoniamnist_for_real(shared_data, tmp_path, capsys):
    """Its copy here has train in another order than the published file, which the checksum tells."""
    source = shared_data / "pneumoniamnist"
    assert cli.main(["data", "prepare", "pneumoniamnist", "--from", str(source), "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "What does not fit:\n  The file is none of those whose checksums MedMNIST has published.\n" in printed
    assert printed.count("\n  ") == 1
    counts = {key: len(files) for key, files in tree_of(tmp_path, "pneumoniamnist").items()}
    assert counts == {
        ("train", "normal"): 1214,
        ("train", "pneumonia"): 3494,
        ("val", "normal"): 135,
        ("val", "pneumonia"): 389,
        ("test", "normal"): 234,
        ("test", "pneumonia"): 390,
    }
    (task,) = read_tasks(tmp_path / "pneumoniamnist" / "tasks.json")
    assert task == data_sets.find("pneumoniamnist").task()
    direct = load_split(shared_data / "pneumoniamnist", replace(task, npz="pneumoniamnist.npz"), "test", 28)
    written = load_split(tmp_path, task, "test", 28)
    assert (written.squares == direct.squares[np.argsort(direct.labels, kind="stable")]).all()


def test_what_a_table_lacks_is_counted(table, tmp_path):
    source = table("pad-ufes-20")
    (source / "part_0" / "0_0.png").unlink()
    (source / "part_0" / "0_3.png").unlink()
    save(source / "part_0" / "unheard_of.png", 1)
    save(source / "copies" / "0_1.png", 1)
    with (source / "metadata.csv").open("a") as file:
        file.write("x,1_0.png,BOD,nobody\n")
        file.writelines(f"x,1_{number}.png,MEL,somebody else\n" for number in range(30))
    remarks = prepare.prepare(of_size("pad-ufes-20"), source, tmp_path / "out")
    assert remarks == [
        "2 rows of the table name a picture that is not there.",
        "1 rows of the table have a class that the set does not know.",
        "30 rows of the table name a picture that a row before names; they were left out.",
        "1 pictures were left out, since another one has the same name.",
        "1 pictures were left out, since no row of the table gives them a class.",
        "ACK: 38 pictures, where the set has 40.",
    ]
    written = [path.name for path in (tmp_path / "out").rglob("*.png")]
    assert len(written) == len(set(written)), "a picture is in two splits or classes"


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("pad-ufes-20", lambda s: (s / "metadata.csv").unlink(), "0 tables of that name were found"),
        (
            "pad-ufes-20",
            lambda s: (s / "metadata.csv").write_text("a,b\n"),
            "lacks columns: img_id, diagnostic, patient",
        ),
        ("pad-ufes-20", lambda s: (s / "metadata.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read as text"),
        ("kvasir", lambda s: (s / "inner" / "POLYPS").rename(s / "inner" / "other"), "more than once: polyps"),
        ("kvasir", lambda s: (s / "POLYPS").mkdir(), "more than once: polyps"),
        ("kvasir", lambda s: [p.unlink() for p in (s / "inner" / "POLYPS").iterdir() if p.stem > "14"], "too few"),
    ],
)
def test_what_is_no_such_download_is_refused(table, folders, tmp_path, name, spoil, message):
    source = (table if name == "pad-ufes-20" else folders)(name)
    spoil(source)
    with pytest.raises(DataError, match=message):
        prepare.prepare(of_size(name), source, tmp_path / "out")
    assert not (tmp_path / "out" / name).exists()


def test_patients_on_both_sides_are_a_caveat(table, tmp_path):
    data_set, source = of_size("pad-ufes-20"), table("pad-ufes-20")
    for by_picture in (False, True):
        prepare.prepare(data_set, source, tmp_path / str(by_picture), by_picture=by_picture)
        (task,) = read_tasks(tmp_path / str(by_picture) / "pad-ufes-20" / "tasks.json")
        assert ("those of one patient, and copies, may be on both sides" in task.caveat) == by_picture
        assert task.caveat.startswith(data_set.caveat)


def test_a_download_still_packed(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK")
    for name in ("kvasir", "pad-ufes-20", "bloodmnist"):
        with pytest.raises(DataError, match=r"is expected as .* holds 1 ZIP files: unpack them first"):
            prepare.prepare(data_sets.find(name), tmp_path, tmp_path / "out")


def test_a_damaged_medmnist_file_leaves_nothing_behind(medmnist, tmp_path):
    path, data_set, _ = medmnist("bloodmnist")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="damaged or not a MedMNIST file"):
        prepare.prepare(data_set, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_split_that_a_medmnist_file_lacks_is_told(medmnist, tmp_path):
    path, data_set, arrays = medmnist("bloodmnist")
    np.savez(path, **{name: array for name, array in arrays.items() if not name.startswith("val")})
    assert "val: 0 pictures, where the set has 3." in prepare.prepare(data_set, path, tmp_path / "out")


def test_labels_of_another_set_are_refused(medmnist, tmp_path):
    path, _, _ = medmnist("bloodmnist")
    other = path.rename(path.with_name("breastmnist.npz"))
    with pytest.raises(DataError, match="not the 2 classes"):
        prepare.prepare(data_sets.find("breastmnist"), other, tmp_path / "out")


def test_private_sets_and_full_folders_are_refused(medmnist, tmp_path):
    with pytest.raises(DataError, match="Cervical-US is private"):
        prepare.prepare(data_sets.find("cervical-us"), tmp_path, tmp_path)
    path, data_set, _ = medmnist("bloodmnist")
    (tmp_path / "bloodmnist").mkdir()
    with pytest.raises(DataError, match="holds bloodmnist already"):
        prepare.prepare(data_set, path, tmp_path)
    with pytest.raises(DataError, match="nothing at the path"):
        prepare.prepare(data_set, tmp_path / "none", tmp_path / "out")


@pytest.mark.parametrize("side", ["0", "32"])
def test_a_side_that_medmnist_does_not_have(tmp_path, capsys, side):
    out = str(tmp_path / "out")
    assert cli.main(["data", "prepare", "bloodmnist", "--medmnist", side, "--out", out]) == 2
    assert f"pictures of 28, 64, 128, 224 pixels a side, not {side}." in capsys.readouterr().err


def test_the_medmnist_package_is_asked_for_its_file(medmnist, tmp_path, monkeypatch, capsys):
    path, _, _ = medmnist("bloodmnist", side=64)
    asked = []

    class BloodMNIST:
        def __init__(self, **options):
            asked.append(options)
            (tmp_path / "out" / path.name).write_bytes(path.read_bytes())

    package = SimpleNamespace(INFO={"bloodmnist": {"python_class": "BloodMNIST"}}, BloodMNIST=BloodMNIST)
    monkeypatch.setitem(sys.modules, "medmnist", package)
    out = str(tmp_path / "out")
    assert cli.main(["data", "prepare", "bloodmnist", "--medmnist", "64", "--out", out]) == 1
    assert asked == [{"split": "train", "root": out, "size": 64, "download": True}]
    assert "train: 6 pictures, where the set has 11959." in capsys.readouterr().out
    for name, side, words in (("kvasir", "64", "not of MedMNIST"), ("bloodmnist", "65", "28, 64, 128, 224 pixels")):
        assert cli.main(["data", "prepare", name, "--medmnist", side, "--out", out]) == 2
        assert words in capsys.readouterr().err

    def offline(self, **_):
        raise RuntimeError("Automatic download failed!")

    monkeypatch.setattr(BloodMNIST, "__init__", offline)
    assert cli.main(["data", "prepare", "bloodmnist", "--medmnist", "64", "--out", out]) == 2
    assert "got no file. Check the connection" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "medmnist", None)
    assert cli.main(["data", "prepare", "pathmnist", "--medmnist", "28", "--out", out]) == 2
    assert "pip install medmnist" in capsys.readouterr().err


def test_sets_are_listed_and_shown(capsys):
    assert cli.main(["data", "list"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 17
    words = " ".join(printed[1].split())
    assert words == "pad-ufes-20 smartphone skin photograph 6 2298 CC BY 4.0 0.588 0.808"
    assert cli.main(["data", "show", "organcmnist"]) == 0
    shown = capsys.readouterr().out
    for words in ("0, 1, 10, 2, 3", "organcmnist_224.npz", "b9ceb9546e10131b32923c5bbeaea2b1 (28 pixels)", "CC BY 4.0"):
        assert words in shown
    assert cli.main(["data", "show", "imagenet"]) == 2
