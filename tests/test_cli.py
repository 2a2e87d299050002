"""Commands: they start, refuse in one sentence, and answer on real files."""

import csv
import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medmamba import benchmark, images
from medmamba.classifier import Classifier
from medmamba.cli import COMMANDS, main
from medmamba.percent import percent
from medmamba.spreadsheet import NOTICE


@pytest.fixture
def files(tmp_path, picture):
    """Two pictures, a file that is none, and one that a system left behind."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(picture(80, 60, seed=number)).save(folder / f"{number}.png")
    (folder / "=evil.txt").write_text("no picture")
    (folder / ".DS_Store").write_text("no picture")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command][1] in " ".join(capsys.readouterr().out.split())


def test_an_unknown_checkpoint_is_one_sentence_on_stderr(capsys):
    assert main(["classify", "x.png", "--checkpoint", "nonsense"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("medmamba: There is no checkpoint 'nonsense'.")


def test_a_refusal_of_the_system_is_one_sentence_on_stderr(monkeypatch, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "patient.png")

    monkeypatch.setattr("medmamba.info.run", full)
    assert main(["info"]) == 2
    assert capsys.readouterr().err == (
        "medmamba: A file or folder cannot be read or written (No space left on device).\n"
    )


def test_too_little_memory_is_one_sentence_on_stderr(monkeypatch, capsys):
    def large(_):
        raise MemoryError

    monkeypatch.setattr("medmamba.info.run", large)
    assert main(["info"]) == 2
    assert capsys.readouterr().err.startswith("medmamba: This takes more memory than there is.")


def test_classify_prints_the_classifiers_answer(generalist, files, capsys):
    assert main(["classify", str(files / "0.png"), "--checkpoint", str(generalist)]) == 0
    printed = capsys.readouterr().out
    answer = Classifier.load(generalist).answer(images.read(files / "0.png").display())
    assert f"{answer.task} (recognised)" in printed
    for score in answer.scores:
        assert f"{percent(score.probability):>6}  {score.label}" in printed


def test_a_probability_next_to_one_is_not_printed_as_certain(generalist, files, monkeypatch, capsys):
    answer = Classifier.answer

    def sure(*given):
        found = answer(*given)
        scores = [replace(score, probability=p) for score, p in zip(found.scores, (0.99999, 1e-5, 0), strict=False)]
        return replace(found, scores=tuple(scores), modalities=(("X-ray", 0.99999),))

    monkeypatch.setattr(Classifier, "answer", sure)
    assert main(["classify", str(files / "0.png"), "--checkpoint", str(generalist), "--task", "skin"]) == 0
    printed = capsys.readouterr().out
    assert "X-ray >99.9%" in printed
    assert "\n  >99.9%  " in printed
    assert "\n   <0.1%  " in printed


def test_a_file_that_cannot_be_read_does_not_stop_the_others(generalist, files, tmp_path, capsys):
    out, table = tmp_path / "out.json", tmp_path / "out.csv"
    asked = ["--task", "chest", "--json", str(out), "--csv", str(table)]
    assert main(["classify", str(files), "--checkpoint", str(generalist), *asked]) == 1
    assert capsys.readouterr().out == "2 files classified, 1 could not be read.\n"
    written = json.loads(out.read_text())
    entries = written["files"]
    assert written["notice"] == NOTICE
    assert [entry["error"] is None for entry in entries] == [True, True, False]
    for entry in entries[:2]:
        assert entry["chosen_by"] == "user"
        assert sum(entry["probabilities"].values()) == pytest.approx(1)
        assert entry["prediction_set"] == ["clear", "opaque"]
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, entry in zip(rows[:2], entries[:2], strict=True):
        assert row["prediction_set"] == "clear; opaque"
        assert row["class"] == max(entry["probabilities"], key=entry["probabilities"].get)
        assert float(row["chest/clear"]) == pytest.approx(entry["probabilities"]["clear"], abs=1e-6)
    assert rows[2]["class"] == ""
    assert rows[2]["error"]
    assert list(rows[0])[-1] == "notice"
    assert {row["notice"] for row in rows} == {NOTICE}


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_full_disk_leaves_the_answers_of_before(generalist, files, tmp_path, monkeypatch, capsys, kind):
    def full(written, *_, **__):
        if isinstance(written, Path):
            written.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / f"out.{kind}"
    out.write_text("whole")
    monkeypatch.setattr(csv.DictWriter, "writerow", full)
    monkeypatch.setattr(Path, "write_text", full)
    assert main(["classify", str(files / "0.png"), "--checkpoint", str(generalist), f"--{kind}", str(out)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {out.name: b"whole"}


def test_the_table_has_the_readers_warnings(generalist, tmp_path):
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32)).save(tmp_path / "deep.png")
    table = tmp_path / "out.csv"
    assert main(["classify", str(tmp_path / "deep.png"), "--checkpoint", str(generalist), "--csv", str(table)]) == 0
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["warnings"] == "The file names no window: its darkest value is drawn black and its brightest white."


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_without_files_is_said_beside_the_others(generalist, files, tmp_path, capsys, hidden):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    if hidden:
        (tmp_path / "empty" / ".DS_Store").touch()
    empty, table = str(tmp_path / "empty"), tmp_path / "out.csv"
    assert main(["classify", empty, "--checkpoint", str(generalist)]) == 1
    assert capsys.readouterr().out == f"{empty}\n  There is no file in this folder.\n\n"
    assert main(["classify", str(files / "0.png"), empty, "--checkpoint", str(generalist), "--csv", str(table)]) == 1
    assert capsys.readouterr().out == "1 files classified, 1 could not be read.\n"
    with table.open(newline="", encoding="utf-8") as file:
        assert [row["error"] for row in csv.DictReader(file)] == ["", "There is no file in this folder."]


def test_a_file_in_a_folder_that_may_not_be_looked_into_does_not_stop_the_others(
    generalist, files, monkeypatch, capsys
):
    look = Path.stat

    def refused(path, **options):
        if path.parent.name == "locked":
            raise PermissionError(path)
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    asked = [str(files / "locked" / "x.png"), str(files / "0.png"), "--json", str(files.with_name("out.json"))]
    assert main(["classify", *asked, "--checkpoint", str(generalist)]) == 1
    assert capsys.readouterr().out == "1 files classified, 1 could not be read.\n"


def test_a_name_that_is_no_text_is_written_all_the_same(generalist, files, tmp_path, capsys):
    other = files / os.fsdecode(b"r\xf6ntgen.png")  # as archives of older systems leave them
    (files / "1.png").rename(other)
    table = tmp_path / "out.csv"
    assert main(["classify", str(other), "--checkpoint", str(generalist), "--csv", str(table)]) == 0
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["file"] == str(files / r"r\udcf6ntgen.png")
    capsys.readouterr()
    assert main(["classify", str(other), "--checkpoint", str(generalist)]) == 0
    assert capsys.readouterr().out.startswith(f"{row['file']}\n")


def test_info_lists_and_shows(generalist, capsys, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_CHECKPOINTS", str(generalist.parent))
    assert main(["info"]) == 0
    assert "generalist: The generalist checkpoint, version 1" in capsys.readouterr().out
    assert main(["info", "generalist"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "generalist"


def test_benchmark_prints_ratios_and_machine_facts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "STAGE_GRIDS", benchmark.STAGE_GRIDS[-1:])  # a process that compiles for each grid
    out = tmp_path / "figures.json"
    assert main(["benchmark", "--sections", "scan", "--rounds", "1", "--threads", "1", "--json", str(out)]) == 0
    assert ", 1 thread, " in capsys.readouterr().out
    small = json.loads(out.read_text())["scan"]["scan of a 7 x 7 grid of 768 channels"]
    assert 0 < small["best backend"] < small["sequential reference"]


def test_importing_the_package_is_light():
    """The reader's workers import it too."""
    code = "import sys, medmamba.images; sys.exit(any(m in sys.modules for m in ('torch', 'numba', 'gradio')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
