"""Sentences of cards say what is so."""

from dataclasses import replace

import pytest

from medmamba import card_words
from medmamba.tasks import OutputLayout


def test_a_title_names_the_network_and_its_purpose(tasks):
    assert card_words.title("MedMamba", "T", OutputLayout(tasks[:1])) == "MedMamba-T skin"
    assert card_words.title("ResNet", "resnet18", OutputLayout.generalist(tasks)) == "ResNet-18 generalist"


@pytest.mark.parametrize(
    ("count", "uploads", "end"),
    [
        (1, True, "answers one question: Which skin?"),
        (2, True, "recognises 2 modalities and answers 2 questions within them."),
        (2, False, "answers 2 questions and does not recognise modalities."),
    ],
)
def test_a_summary_counts_what_the_network_answers(tasks, tiny_model, count, uploads, end):
    some = tuple(replace(task, uploads=uploads) for task in tasks[:count])
    layout = OutputLayout.generalist(some) if count > 1 else OutputLayout(some)
    text = card_words.summary(tiny_model(layout.num_outputs), layout, 96, "drawings")
    assert text.startswith("A network of 0.") and "trained on drawings of 96 x 96 pixels, that" in text  # noqa: PT018
    assert text.endswith(end)
