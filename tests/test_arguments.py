"""Places to write to: refused before the work where nothing can be written."""

import os
from argparse import ArgumentTypeError

import pytest

from medmamba.arguments import new_file, new_folder, whole_from, words
from medmamba.cli import main


def test_files_that_can_be_written(tmp_path):
    (tmp_path / "old.csv").touch()
    for name in ("new.csv", "old.csv"):
        assert new_file(str(tmp_path / name)) == tmp_path / name
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "this is a folder"), ("none/x.csv", "no folder for this file"), ("old.csv/x.csv", "no folder for this file")],
)
def test_files_that_cannot_be_written(tmp_path, name, sentence):
    (tmp_path / "old.csv").touch()
    with pytest.raises(ArgumentTypeError, match=sentence):
        new_file(str(tmp_path / name))


def test_folders_that_can_be_written_to(tmp_path):
    for name in ("", "new", "new/inner"):
        assert new_folder(str(tmp_path / name)) == tmp_path / name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["old.csv", "old.csv/inner"])
def test_folders_that_cannot_be_written_to(tmp_path, name):
    (tmp_path / "old.csv").touch()
    with pytest.raises(ArgumentTypeError, match="a file of that name, or on the way"):
        new_folder(str(tmp_path / name))


def test_places_that_are_for_reading_alone(tmp_path, monkeypatch):
    (tmp_path / "old.csv").touch()
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)))
    for kind, name in ((new_file, "old.csv"), (new_file, "new.csv"), (new_folder, "new/inner")):
        with pytest.raises(ArgumentTypeError, match=r"may (not )?be written"):
            kind(str(tmp_path / name))
    assert asked == [(tmp_path / "old.csv", os.W_OK), (tmp_path, os.W_OK), (tmp_path, os.W_OK)]


@pytest.mark.parametrize(("name", "asked"), [("old.csv", ["old.csv", ""]), ("new.csv", [""]), ("pipe", ["pipe"])])
def test_a_file_takes_its_place_from_beside_it(tmp_path, monkeypatch, name, asked):
    (tmp_path / "old.csv").touch()
    os.mkfifo(tmp_path / "pipe")
    looked_at = []
    monkeypatch.setattr(os, "access", lambda path, mode: not looked_at.append(path))
    assert new_file(str(tmp_path / name)) == tmp_path / name
    assert looked_at == [tmp_path / place for place in asked]


def test_words():
    assert words(" chest X-ray ") == "chest X-ray"
    for text in ("", " \n"):
        with pytest.raises(ArgumentTypeError, match="words are wanted"):
            words(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("+7", 7), (" 9 ", 9)])
def test_whole_numbers(text, number):
    assert whole_from(0, 9)(text) == number


NUMBERS = [
    ("robustness a --data d --out o --pictures {}", "0", "a whole number from 1 to"),
    ("compare a b --data d --out o --pictures {}", "-1", "a whole number from 0 to"),
    ("compare a b --data d --out o --size {}", "31", "a whole number from 32 to"),
    ("data prepare kvasir --from d --out o --seed {}", "-1", "a whole number from 0 to"),
    ("data prepare kvasir --from d --out o --seed {}", str(2**32), "a whole number from 0 to 4294967295 is wanted"),
    ("deck build d --task t --seed {}", "-1", "a whole number from 0 to"),
    ("fuzz --n {}", "-5", "a whole number from 0 to"),
    ("robustness a --data d --out o --pictures {}", "few", "invalid whole number value: 'few'"),
]


@pytest.mark.parametrize(("command", "text", "sentence"), NUMBERS)
def test_numbers_that_a_command_cannot_work_with(capsys, command, text, sentence):
    with pytest.raises(SystemExit):
        main([word.format(text) for word in command.split()])
    assert f"argument {command.split()[-2]}: {sentence}" in capsys.readouterr().err


COMMANDS = [
    ("classify x.png --csv {}", "file"),
    ("classify x.png --json {}", "file"),
    ("compare a b --data d --out {}", "file"),
    ("export a --out {}", "file"),
    ("deck build d --task t --out {}", "file"),
    ("benchmark --json {}", "file"),
    ("benchmark --plot {}", "file"),
    ("robustness a --data d --out {}", "folder"),
    ("blend r --start s --tasks t --data d --out {}", "folder"),
    ("import w.pth --classes c --modality m --out {}", "folder"),
    ("data prepare pathmnist --from d --out {}", "folder"),
    ("train --tasks t --data d --out {}", "folder"),
    ("fuzz --keep {}", "folder"),
]


@pytest.mark.parametrize(("command", "kind"), COMMANDS, ids=[words.partition(" {")[0] for words, _ in COMMANDS])
def test_every_command_asks_before_its_work(tmp_path, capsys, command, kind):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        main([word.format(tmp_path / "file" / "out") for word in command.split()])
    assert f"argument {command.split()[-2]}: there is " in capsys.readouterr().err
