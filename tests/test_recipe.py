"""Recipes: their tasks, what they say for the card, and what cannot be trained on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medmamba.card_words import NO_LICENCE, Words
from medmamba.errors import CheckpointError, DataError
from medmamba.recipe import layout_of, read_tasks, read_words
from tests.conftest import make_task

OURS = sorted(Path(__file__).parents[1].glob("runs/*/tasks.json"))
READERS = (read_tasks, read_words)


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe; its path."""

    def make(text):
        (tmp_path / "recipe.json").write_text(text if isinstance(text, str) else json.dumps(text))
        return tmp_path / "recipe.json"

    return make


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tasks": 3}', "7", "[" * 100_000])
@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_no_recipe(recipe, text, read):
    with pytest.raises(DataError, match="not a JSON file with a list of tasks"):
        read(recipe(text))


@pytest.mark.parametrize("read", READERS)
def test_a_recipe_that_is_not_there(tmp_path, read):
    with pytest.raises(DataError, match="There is no such recipe"):
        read(tmp_path / "recipe.json")


def test_a_recipe_with_a_wrong_task(recipe):
    with pytest.raises(CheckpointError, match="not described as expected"):
        read_tasks(recipe({"tasks": [{"name": "skin"}]}))


def test_a_recipe_without_tasks(recipe):
    with pytest.raises(DataError, match="has no tasks: describe at least one"):
        read_tasks(recipe({"tasks": []}))


def test_a_card_is_a_recipe_of_its_tasks(generalist, tasks):
    assert read_tasks(generalist / "card.json") == tasks
    assert read_words(generalist / "card.json") is None


def test_words_for_the_card(recipe):
    words = read_words(recipe({"tasks": [], "card": {"limits": ["One garden."], "pictures": "drawings"}}))
    assert words == Words(limits=("One garden.",), pictures="drawings")
    assert words.licence == NO_LICENCE


@pytest.mark.parametrize(
    "card", [{"limits": "One garden."}, {"limits": [1]}, {"license": "CC0"}, {"licence": None}, []]
)
def test_words_that_no_card_has(recipe, card):
    with pytest.raises(DataError, match=r"card is not described as expected .*; it may have: intended_use, not_for"):
        read_words(recipe({"tasks": [], "card": card}))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.parent.name)
def test_our_own_recipes_say_what_their_data_lack(path):
    words = read_words(path)
    assert words.licence.startswith("CC BY-NC-SA 4.0")
    assert any("no patient numbers" in limit for limit in words.limits)
    assert layout_of(read_tasks(path)).num_outputs


def test_one_task_needs_no_router(tasks):
    assert layout_of(tasks[:1]).routed == ()
    assert layout_of(tasks).routed == ("skin", "chest", "retina")


def test_tasks_that_the_router_has_no_output_for(tasks):
    skin, chest, *_ = tasks
    with pytest.raises(DataError, match=r"The router has no output for chest: .* Open it, or give it the modality"):
        layout_of((skin, replace(chest, uploads=False)))
    assert layout_of((skin, replace(chest, uploads=False, modality=skin.modality))).routed == ("skin",)
    assert layout_of((replace(skin, uploads=False), replace(chest, uploads=False))).routed == ()


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_to_tell_apart(count):
    with pytest.raises(DataError, match="nothing to tell apart"):
        layout_of(tuple(make_task(f"oct-{number}", uploads=False) for number in range(count)))
