"""What training makes small: the loss of a network that answers several tasks and tells their modalities apart."""

import torch
from torch import Tensor, nn

from medmamba.tasks import OutputLayout


class Objective:
    """Cross-entropy among the outputs of each picture's own task, with label smoothing, plus that of the router.

    drawn_above_natural: for each task (classes,), by what factor a class is drawn more often than its share of the
    pictures would have it, as a logarithm. The loss adds it to the logits, so that they need not learn it: without it,
    they are for classes as frequent as they are among the training pictures (logit adjustment, Menon et al. 2021).
    """

    def __init__(
        self,
        layout: OutputLayout,
        label_smoothing: float,
        router_weight: float,
        drawn_above_natural: list[Tensor] | None = None,
    ) -> None:
        self.layout, self.smoothing, self.router_weight = layout, label_smoothing, router_weight
        self.own = torch.zeros(len(layout.tasks), layout.num_outputs, dtype=torch.bool)
        self.shift = torch.zeros(len(layout.tasks), layout.num_outputs)
        for number, task in enumerate(layout.tasks):
            self.own[number, layout.outputs(task.name)] = True
            if drawn_above_natural:
                self.shift[number, layout.outputs(task.name)] = drawn_above_natural[number]
        self.first = torch.tensor([layout.outputs(task.name).start for task in layout.tasks])
        self.routes = torch.tensor([layout.route(task.name) for task in layout.tasks] if layout.routed else [])

    def __call__(
        self, logits: Tensor, labels: Tensor, task: Tensor, share: Tensor | None = None, other: Tensor | None = None
    ) -> Tensor:
        """Mean loss of logits (batch, outputs); labels (batch,) count within the task (batch,), or are UNLABELLED.

        share, other (batch,): of mixed pictures, how much of each has its own label, and the label of the rest.
        """
        labelled = labels >= 0
        share = torch.ones_like(labels, dtype=logits.dtype) if share is None else share
        other = labels if other is None else other
        loss = logits.new_zeros(())
        if labelled.any():
            own = self.own.to(logits.device)[task[labelled]]
            shifted = logits[labelled] + self.shift.to(logits.device)[task[labelled]]
            log_p = shifted.masked_fill(~own, -torch.inf).log_softmax(1)
            first, own_share = self.first.to(logits.device)[task[labelled]], share[labelled]
            log_p_own, log_p_other = (log_p.gather(1, (first + of[labelled])[:, None])[:, 0] for of in (labels, other))
            of_labels = own_share * log_p_own + (1 - own_share) * log_p_other
            uniform = log_p.masked_fill(~own, 0).sum(1) / own.sum(1)
            per_picture = (1 - self.smoothing) * of_labels + self.smoothing * uniform
            loss = -per_picture.sum() / len(labels)
        if self.layout.routed:
            routes = self.routes.to(logits.device)[task]
            loss = loss + self.router_weight * nn.functional.cross_entropy(logits[:, self.layout.router], routes)
        return loss
