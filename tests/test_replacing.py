"""Files that a crash leaves as they were."""

import os

import pytest

from medmamba.replacing import making, replacing


def test_a_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "card.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["card.json"]


def test_what_is_no_file_stays_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with replacing(tmp_path / "pipe") as place:
        assert place == tmp_path / "pipe"
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path, there):
    path = tmp_path / "card.json"
    if there:
        path.write_text("old")

    def crash():
        with replacing(path) as partial:
            partial.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"] * there


def test_a_folder_is_made_with_those_above_it(tmp_path):
    for _ in range(2):
        with making(tmp_path / "above" / "folder"):
            (tmp_path / "above" / "folder" / "card.json").write_text("new")
    assert (tmp_path / "above" / "folder" / "card.json").read_text() == "new"


@pytest.mark.parametrize("there", [[], ["above"], ["above", "above/folder"]])
def test_only_folders_that_were_there_outlive_a_failure(tmp_path, there):
    for name in there:
        (tmp_path / name).mkdir()

    def crash():
        with making(tmp_path / "above" / "folder"):
            (tmp_path / "above" / "folder" / "card.json").write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir()) == there
