"""What cards of trained networks say in words. The page translates these sentences, so they stand here alone.

Here is only what holds for any network that ``publish`` writes a card for. What holds for one run or its data is said
by who trained it, in the recipe (``recipe.read_words``).
"""

from dataclasses import dataclass

from medmamba.network import Network
from medmamba.tasks import OutputLayout

INTENDED_USE = (
    "Teaching and research: to see how a small network reads pictures of these kinds, where it looks, how "
    "sure it is, and where it fails."
)
NOT_FOR = (
    "Diagnosis, triage, screening or any other decision about a patient: it is not a medical device.",
    "Pictures of other kinds than those listed, and conditions that are not among a task's classes.",
)
LIMITS = (
    "The figures are those of the test pictures; expect lower ones elsewhere.",
    "The novelty score refuses some pictures of the known kinds, its figures say how many, and lets some of other "
    "things pass.",
)
UNMEASURED = "Some questions have no test pictures, so that nobody knows how often these answers are right."
NO_LICENCE = "Not stated; the licences of the training data are listed with them."


@dataclass(frozen=True)
class Words:
    """What those who trained a network know of it and nobody else.

    intended_use, licence: in place of the general sentence. not_for, limits: besides the general ones. pictures: what
    stands in "trained on real pictures of 64 x 64 pixels" between "on" and "of".
    """

    intended_use: str = INTENDED_USE
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    licence: str = NO_LICENCE
    pictures: str = "pictures"


def title(family: str, variant: str, layout: OutputLayout) -> str:
    """A checkpoint's name for people: its network, and what it is for."""
    purpose = "generalist" if len(layout.tasks) > 1 else layout.tasks[0].name
    return f"{family}-{variant.removeprefix(family.lower())} {purpose}"


def summary(model: Network, layout: OutputLayout, size: int, pictures: str) -> str:
    """One sentence on a network that sees squares of ``size`` pixels; ``pictures``: as ``Words`` has them.

    Each is written out as a whole, since a translation is of a whole sentence.
    """
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    modalities = {task.modality for task in layout.tasks}
    questions = [task.question for task in layout.tasks if task.classes]
    if layout.routed:
        return (
            f"A network of {millions:.1f} million parameters, trained on {pictures} of {size} x {size} pixels, that "
            f"recognises {len(modalities)} modalities and answers {len(questions)} questions within them."
        )
    if len(questions) > 1:
        return (
            f"A network of {millions:.1f} million parameters, trained on {pictures} of {size} x {size} pixels, that "
            f"answers {len(questions)} questions and does not recognise modalities."
        )
    return (
        f"A network of {millions:.1f} million parameters, trained on {pictures} of {size} x {size} pixels, that "
        f"answers one question: {questions[0]}"
    )
