"""Do evidence maps depend on what the network has learnt? The randomisation test of Adebayo et al. (2018).

The weights are made random from the head down to the stem, part by part (``cascade``), or in one part alone
(``alone``). A map that shows what was learnt must change; one that stays shows edges of the picture. Maps are those of
the class that the trained network finds most probable. How alike two maps are: Spearman's rank correlation of their
cells, and SSIM of the maps as the page draws them, each stretched to [0, 1].
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

from medmamba.checkpoints import Checkpoint
from medmamba.classifier import Classifier
from medmamba.network import Network
from medmamba.saliency import LAST_STAGE, EvidenceMap, evidence_map
from medmamba.variants import build

LIMIT = 0.5  # mean rank correlation with everything random from which on the maps fail

Mapper = Callable[[Classifier, Sequence[np.ndarray], str, Sequence[str]], list[EvidenceMap]]


@dataclass(frozen=True)
class Likeness:
    """Means over pictures, with everything from the head to ``part`` random, or that part alone."""

    part: str
    mode: str
    correlation: float
    ssim: float


def grad_cams(
    classifier: Classifier, squares: Sequence[np.ndarray], task: str, classes: Sequence[str]
) -> list[EvidenceMap]:
    """The page's default map for each square's class."""
    answers = classifier.answer_batch(squares, task)
    return [evidence_map(classifier, answer, name) for answer, name in zip(answers, classes, strict=True)]


def check(
    checkpoint: Checkpoint, asked: Sequence[tuple[str, np.ndarray]], mapper: Mapper = grad_cams, seed: int = 0
) -> list[Likeness]:
    """How alike maps before and after are, for each part, in a cascade and alone.

    asked: tasks with squares (n, size, size, 3) uint8 for each. Maps that are flat have no ranks and are left out.
    """
    bare = replace(checkpoint, novelty={})
    trained = Classifier(bare, "cpu")
    classes = [[a.top.name for a in trained.answer_batch(list(s), task) if a.top] for task, s in asked]
    before = _maps(trained, asked, classes, mapper)
    found = []
    for part, mode, model in _randomised(checkpoint.model, seed):
        after = _maps(Classifier(replace(bare, model=model), "cpu"), asked, classes, mapper)
        pairs = list(zip(before, after, strict=True))
        found.append(
            Likeness(
                part,
                mode,
                float(np.nanmean([_rank_correlation(a, b) for a, b in pairs])),
                float(np.nanmean([_ssim(a, b, checkpoint.card.transform.size) for a, b in pairs])),
            )
        )
    return found


def passes(found: Sequence[Likeness]) -> bool:
    """Whether the maps have lost their likeness once every part is random."""
    return [likeness.correlation for likeness in found if likeness.mode == "cascade"][-1] < LIMIT


def parts_of(model: Network) -> dict[str, nn.Module]:
    """Head, stages and stem, from the last to the first."""
    stages = cast(nn.ModuleList, model.stages)
    (stem,) = (child for name, child in model.named_children() if name not in ("stages", "classifier"))
    return {
        "head": model.classifier,
        **{f"stage {number}": stages[number - 1] for number in range(LAST_STAGE, 0, -1)},
        "stem": stem,
    }


def _randomised(model: Network, seed: int) -> Iterator[tuple[str, str, Network]]:
    """(part, mode, network): first the cascade, then each part alone. The network is used before the next is made."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = parts_of(build(model.config).eval().requires_grad_(False))
    cascading = deepcopy(model)
    for name, part in parts_of(cascading).items():
        part.load_state_dict(fresh[name].state_dict())
        yield name, "cascade", cascading
    for name in fresh:
        single = deepcopy(model)
        parts_of(single)[name].load_state_dict(fresh[name].state_dict())
        yield name, "alone", single


def _maps(
    classifier: Classifier, asked: Sequence[tuple[str, np.ndarray]], classes: Sequence[Sequence[str]], mapper: Mapper
) -> list[EvidenceMap]:
    return [
        found
        for (task, squares), names in zip(asked, classes, strict=True)
        for found in mapper(classifier, list(squares), task, names)
    ]


def _rank_correlation(a: EvidenceMap, b: EvidenceMap) -> float:
    if np.ptp(a.values) == 0 or np.ptp(b.values) == 0:
        return float("nan")
    return float(spearmanr(a.values.reshape(-1), b.values.reshape(-1)).statistic)


def _ssim(a: EvidenceMap, b: EvidenceMap, side: int) -> float:
    stretched = []
    for found in (a, b):
        smooth = found.smooth(side, side)
        if np.ptp(smooth) == 0:
            return float("nan")
        stretched.append((smooth - smooth.min()) / np.ptp(smooth))
    return float(structural_similarity(*stretched, data_range=1.0))
