"""Sharpness-aware minimisation: the gradient is taken where the loss is highest near the weights (Foret et al. 2021).

A network that knows small tasks by heart has hardly a gradient left where it stands; what its training pictures say no
more, how wide the valley is, still tells whether it knows other patients' pictures.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def steepest(model: nn.Module, radius: float) -> Iterator[None]:
    """Within the block the parameters are moved along their gradients, as one vector, by a step of length ``radius``.

    Where there is no gradient at all they stay. Afterwards they, and statistics that the block has moved, are exactly
    what they were.
    """
    moved = {parameter: parameter.grad for parameter in model.parameters() if parameter.grad is not None}
    kept = [(tensor, tensor.detach().clone()) for tensor in (*moved, *model.buffers())]
    length = max(float(nn.utils.get_total_norm(moved.values())), 1e-12)
    with torch.no_grad():
        for parameter, gradient in moved.items():
            parameter.add_(gradient, alpha=radius / length)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)
