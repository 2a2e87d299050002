"""What the cards of our own checkpoints say in words. The page translates these sentences, so they stand here alone."""

from medmamba.network import Network
from medmamba.tasks import OutputLayout

LICENCE = (
    "CC BY-NC-SA 4.0, since the strictest terms of the training data are non-commercial and share-alike. For research "
    "and education; not a medical device."
)
INTENDED_USE = (
    "Teaching and research: to see how a small network reads pictures of these kinds, where it looks, how "
    "sure it is, and where it fails."
)
NOT_FOR = (
    "Diagnosis, triage, screening or any other decision about a patient: it is not a medical device.",
    "Pictures of other kinds than those listed, and conditions that are not among a task's classes.",
    "Commercial use, which the terms of the training data exclude.",
)
LIMITS = (
    "Test pictures come from the same sources as the training pictures; expect lower figures elsewhere.",
    "The pictures carry no patient numbers, so that the intervals are too narrow where one patient gave several.",
    "The pictures carry no age, sex or skin tone, so that differences between such groups could not be measured.",
    "The novelty score refuses some pictures of the known kinds, its figures say how many, and lets some of other "
    "things pass. The rule that sets its strictness was replaced once after its refusals of test pictures and of other "
    "things had been seen (docs/log.md).",
    "Which version is published was decided three times after figures on test pictures had been seen (docs/log.md), "
    "which may flatter them a little.",
)


def title(family: str, variant: str, layout: OutputLayout) -> str:
    """A checkpoint's name for people: its network, and what it is for."""
    return f"{family}-{variant.removeprefix(family.lower())} {'generalist' if layout.routed else layout.tasks[0].name}"


def summary(model: Network, layout: OutputLayout, size: int) -> str:
    """One sentence on a network that sees squares of ``size`` pixels."""
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    questions = [task for task in layout.tasks if task.classes]
    if not layout.routed:
        return (
            f"A network of {millions:.1f} million parameters, trained on real pictures of {size} x {size} pixels, that "
            f"answers one question: {questions[0].question}"
        )
    modalities = {task.modality for task in layout.tasks}
    return (
        f"A network of {millions:.1f} million parameters, trained on real pictures of {size} x {size} pixels, that "
        f"recognises {len(modalities)} modalities and answers {len(questions)} questions within them."
    )
