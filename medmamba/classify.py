"""``python -m medmamba classify``: what a checkpoint says of picture files, as text, CSV or JSON."""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from medmamba import images
from medmamba.arguments import new_file
from medmamba.classifier import Answer, Classifier
from medmamba.errors import ImageError
from medmamba.listing import files_in
from medmamba.percent import percent
from medmamba.replacing import replacing
from medmamba.spreadsheet import NOTICE, harmless


@dataclass(frozen=True)
class Row:
    """One file: its answer and the reader's warnings, or why it could not be read; or a folder without files."""

    path: Path
    answer: Answer | None
    warnings: tuple[str, ...] = ()
    error: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="pictures, or folders to search for them")
    parser.add_argument("--checkpoint", default="generalist", help="name or folder (default: %(default)s)")
    parser.add_argument("--task", help="ask this task instead of the recognised one")
    parser.add_argument("--frame", type=int, default=0, help="frame of multi-frame files, from 0")
    parser.add_argument("--csv", type=new_file, metavar="OUT", help="write a row a file, a column a class")
    parser.add_argument("--json", type=new_file, metavar="OUT", help="write everything")


def run(arguments: argparse.Namespace) -> int:
    """Classify the files; 1 if any could not be read."""
    classifier = Classifier.load(arguments.checkpoint)
    files = list(_files(arguments.paths))
    quiet = arguments.csv or arguments.json
    rows = []
    for path in tqdm(files, unit="files", disable=not quiet or not sys.stderr.isatty()):
        rows.append(_row(classifier, path, arguments.task, arguments.frame))
        if not quiet:
            print(_text(classifier, rows[-1]))
    if arguments.csv:
        _write_csv(arguments.csv, classifier, rows)
    if arguments.json:
        entries = {"checkpoint": _version(classifier), "files": [_entry(row) for row in rows], "notice": NOTICE}
        with replacing(arguments.json) as place:
            place.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    failed = sum(row.error is not None for row in rows)
    if quiet:
        print(f"{len(rows) - failed} files classified, {failed} could not be read.")
    return 1 if failed else 0


def _files(paths: list[Path]) -> Iterator[Path]:
    """Files, those of folders one by one; a folder without any stays as it is."""
    for path in paths:
        yield from (files_in(path, deep=True) or [path]) if os.path.isdir(path) else [path]


def _row(classifier: Classifier, path: Path, task: str | None, frame: int) -> Row:
    if os.path.isdir(path):
        return Row(path, None, error="There is no file in this folder.")
    try:
        image = images.read(path, frame=frame)
        return Row(path, classifier.answer(image.display(), task), image.warnings)
    except ImageError as error:
        return Row(path, None, error=str(error))


def _name(path: Path) -> str:
    """A path that can be written as text, whatever bytes it is made of."""
    return str(path).encode(errors="backslashreplace").decode()


def _text(classifier: Classifier, row: Row) -> str:
    if row.answer is None:
        return f"{_name(row.path)}\n  {row.error}\n"
    answer, task = row.answer, classifier.card.layout.task(row.answer.task)
    lines = [_name(row.path)]
    if answer.modalities:
        lines.append("  " + ", ".join(f"{m} {percent(p)}" for m, p in answer.modalities[:2]))
    chosen = {"router": "recognised", "user": "as asked", "only": "the only task"}[answer.chosen_by]
    lines.append(f"  {task.name} ({chosen}): {task.question or 'no classes, so no probabilities'}")
    if answer.novelty and answer.novelty.refused:
        lines.append("  This picture is unlike the training pictures of the task: do not rely on what follows.")
    if answer.band:
        lines.append(f"  {answer.band.words}")
    lines += [f"  {percent(s.probability):>6}  {s.label}" for s in sorted(answer.scores, key=lambda s: -s.probability)]
    lines += [f"  note: {warning}" for warning in row.warnings]
    return "\n".join(lines) + "\n"


def _version(classifier: Classifier) -> dict[str, str]:
    card = classifier.card
    return {"name": card.name, "version": card.version, "sha256": card.sha256}


def _entry(row: Row) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": str(row.path), "error": row.error, "warnings": list(row.warnings)}
    if answer := row.answer:
        entry |= {
            "modalities": dict(answer.modalities),
            "task": answer.task,
            "chosen_by": answer.chosen_by,
            "probabilities": {score.name: score.probability for score in answer.scores},
            "words": answer.band.words if answer.band else None,
            "prediction_set": list(answer.prediction_set.names) if answer.prediction_set else None,
            "refused": answer.novelty.refused if answer.novelty else None,
        }
    return entry


def _write_csv(path: Path, classifier: Classifier, rows: list[Row]) -> None:
    layout = classifier.card.layout
    classes = [f"{task.name}/{name}" for task in layout.tasks for name in task.class_names]
    answered = ["modality", "task", "class", "prediction_set", "refused"]
    fields = ["file", "error", *answered, *classes, "warnings", "checkpoint", "version", "sha256", "notice"]
    version = _version(classifier)
    with replacing(path) as place, place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        for row in rows:
            entry: dict[str, Any] = {"file": harmless(_name(row.path)), "error": row.error or ""}
            if answer := row.answer:
                entry |= {
                    "modality": layout.task(answer.task).modality,
                    "task": answer.task,
                    "class": answer.top.name if answer.top else "",
                    "prediction_set": "; ".join(answer.prediction_set.names) if answer.prediction_set else "",
                    "refused": answer.novelty.refused if answer.novelty else "",
                }
                entry |= {f"{answer.task}/{score.name}": f"{score.probability:.6f}" for score in answer.scores}
            entry["warnings"] = " ".join(row.warnings)
            entry |= {"checkpoint": version["name"], "version": version["version"], "sha256": version["sha256"]}
            entry["notice"] = NOTICE
            writer.writerow(entry)
