"""Recipes: JSON with the tasks to train on and, under ``card``, what cards shall say that only their maker knows.

    {"tasks": [{"name": ..., "classes": [...], ...}, ...],
     "card": {"licence": "...", "limits": ["..."], "not_for": ["..."], "intended_use": "...", "pictures": "..."}}

Tasks are described as on a card, which therefore is the recipe of its own weights: ``train --tasks card.json``.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from medmamba.card_words import Words
from medmamba.errors import DataError
from medmamba.tasks import OutputLayout, Task
from medmamba.typed import check_types


def read_tasks(recipe: Path) -> tuple[Task, ...]:
    """The tasks of a recipe file, one at least.

    Raises:
        DataError: the file is not a recipe, or its list of tasks is empty.
        CheckpointError: a task is not described as expected.
    """
    entries = _read(recipe)["tasks"]
    if not entries:
        raise DataError("The recipe has no tasks: describe at least one.")
    return tuple(Task.from_json(entry) for entry in entries)


def read_words(recipe: Path) -> Words | None:
    """What a recipe file wants to stand on cards; None where it says nothing.

    Raises:
        DataError: the file is not a recipe, or its ``card`` is not described as expected.
    """
    entry = _read(recipe).get("card")
    if entry is None:
        return None
    try:
        given: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in entry.items()}
        check_types(words := Words(**given))
    except (TypeError, AttributeError) as error:
        known = ", ".join(field.name for field in fields(Words))
        raise DataError(f"The recipe's card is not described as expected ({error}); it may have: {known}.") from error
    return words


def _read(recipe: Path) -> dict[str, Any]:
    if not recipe.exists():
        raise DataError("There is no such recipe; look at its path.")
    try:
        content = json.loads(recipe.read_text(encoding="utf-8"))
        if not isinstance(content["tasks"], list):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"The recipe is not a JSON file with a list of tasks: {type(error).__name__}.") from error
    return content


def layout_of(tasks: tuple[Task, ...]) -> OutputLayout:
    """A generalist's layout for several tasks, a plain head for one.

    Raises:
        CheckpointError: two tasks have the same name.
        DataError: there is nothing to tell apart, or a task is of no modality that the router has an output for.
    """
    layout = OutputLayout.generalist(tasks) if len(tasks) > 1 else OutputLayout(tasks)
    if not layout.num_outputs:
        raise DataError("The recipe has nothing to tell apart: give a task classes, or name several open to uploads.")
    routed = {layout.task(name).modality for name in layout.routed}
    if lost := [task.name for task in tasks if routed and task.modality not in routed]:
        raise DataError(
            f"The router has no output for {', '.join(lost)}: a task that is not open to uploads goes with another one "
            "of its modality that is. Open it, or give it the modality of one."
        )
    return layout


def outputs_of(layout: OutputLayout) -> tuple[object, ...]:
    """What each output of a network stands for."""
    return tuple((task.name, task.class_names) for task in layout.tasks), layout.routed
