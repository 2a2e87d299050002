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
    """Means over pictures, with everything from the head to ``part`` random, or that part alone.

    flat: pictures that are in neither mean, since a map of theirs, before or after, is the same everywhere and so has
    no ranks. Where all are, there are no means.
    """

    part: str
    mode: str
    correlation: float | None
    ssim: float | None
    flat: int = 0


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

    asked: tasks with squares (n, size, size, 3) uint8 for each.
    """
    bare = replace(checkpoint, novelty={})
    trained = Classifier(bare, "cpu")
    classes = [[a.top.name for a in trained.answer_batch(list(s), task) if a.top] for task, s in asked]
    before, side = _maps(trained, asked, classes, mapper), checkpoint.card.transform.size
    found = []
    for part, mode, model in _randomised(checkpoint.model, seed):
        after = _maps(Classifier(replace(bare, model=model), "cpu"), asked, classes, mapper)
        pairs = [(a, b) for a, b in zip(before, after, strict=True) if not (_is_flat(a, side) or _is_flat(b, side))]
        correlation = _mean([_rank_correlation(a, b) for a, b in pairs])
        ssim = _mean([_ssim(a, b, side) for a, b in pairs])
        found.append(Likeness(part, mode, correlation, ssim, len(before) - len(pairs)))
    return found


def passes(found: Sequence[Likeness]) -> bool | None:
    """Whether the maps have lost their likeness once every part is random; None where there were none to compare."""
    last = [likeness.correlation for likeness in found if likeness.mode == "cascade"][-1]
    return None if last is None else last < LIMIT


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


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _is_flat(found: EvidenceMap, side: int) -> bool:
    return bool(np.ptp(found.smooth(side, side)) == 0)


def _rank_correlation(a: EvidenceMap, b: EvidenceMap) -> float:
    return float(spearmanr(a.values.reshape(-1), b.values.reshape(-1)).statistic)


def _ssim(a: EvidenceMap, b: EvidenceMap, side: int) -> float:
    smooth = [found.smooth(side, side) for found in (a, b)]
    return float(structural_similarity(*((s - s.min()) / np.ptp(s) for s in smooth), data_range=1.0))
