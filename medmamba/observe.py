"""What a network makes of a split of labelled pictures, kept for measuring, calibrating and drawing."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medmamba import novelty
from medmamba.checkpoints import check_logits
from medmamba.data import Split
from medmamba.inference import InferenceForm
from medmamba.network import Network
from medmamba.preprocess import Transform

BATCH = 32


@dataclass(frozen=True)
class Observed:
    """What the network makes of n pictures.

    labels: (n,) int64. logits: (n, outputs). vectors: (n, 45 C), for the novelty score. features: (n, 8C), the head's
    input. evidence: (n, cells, outputs), what each cell of the last stage adds to each logit.
    """

    labels: np.ndarray
    logits: np.ndarray
    vectors: Tensor
    features: np.ndarray
    evidence: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@torch.inference_mode()
def observe(model: Network, transform: Transform, split: Split) -> Observed:
    """Run the network once over a split's squares.

    Raises:
        CheckpointError: its weights lead to numbers that are not finite.
    """
    device = next(model.parameters()).device
    network = InferenceForm(model) if InferenceForm.serves(model, device) else model
    weight = model.classifier.weight.T.float()
    columns: list[tuple[Tensor, ...]] = []
    for start in range(0, len(split), BATCH):
        pyramid = network.pyramid(transform.to_tensor(split.squares[start : start + BATCH]).to(device))
        last = pyramid[-1].float().flatten(1, 2)
        features, evidence = last.mean(1), last @ weight / last.shape[1]
        outputs = model.classifier(features), novelty.pooled(pyramid), features, evidence
        columns.append(tuple(column.float().cpu() for column in outputs))
    logits, vectors, features, evidence = (torch.cat(column) for column in zip(*columns, strict=True))
    check_logits(logits)
    return Observed(split.labels, logits.numpy(), vectors, features.numpy(), evidence.numpy())
