"""The optimisers of training by name: adamw, adam, and muon for a network's matrices with AdamW for all else.

Muon (K. Jordan et al. 2024, torch.optim.Muon since torch 2.9) takes the momentum of a weight matrix and sets all of its
singular values to about one before it steps. Under Adam the step in what is particular to a task shrinks with the share
of the task's pictures, as the noise of all others sets the scale; under Muon it does not. Figures: docs/log.md.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from medmamba.errors import RequestError
from medmamba.network import Network

UNDECAYED = {"A_log", "D", "dt_proj_bias"}  # besides norms and biases
ENDS = ("patch_embedding.", "classifier.")  # the first and last matrix, which Muon's authors leave to AdamW
KINDS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
NAMES = ("adamw", "adam", "muon")


def optimiser(name: str, model: Network, learning_rate: float, weight_decay: float) -> "torch.optim.Optimizer | Muon":
    """The optimiser of all of a network's parameters.

    Raises:
        RequestError: there is no such optimiser, or this torch is too old for it.
    """
    if name not in NAMES:
        raise RequestError(f"There is no optimiser {name!r}; there are: {', '.join(NAMES)}.")
    if name == "muon":
        return Muon(model, learning_rate, weight_decay)
    return KINDS[name](decay_groups(dict(model.named_parameters()), weight_decay), lr=learning_rate, fused=True)


def decay_groups(named: Mapping[str, Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only, not for norms, biases, A_log, D and the step sizes' bias."""
    free = [p for name, p in named.items() if p.ndim < 2 or name.rpartition(".")[2] in UNDECAYED]
    decayed = [p for name, p in named.items() if p.ndim >= 2 and name.rpartition(".")[2] not in UNDECAYED]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


class Muon:
    """Muon for linear maps and for convolutions over all channels, AdamW for the rest, used as one optimiser.

    A kernel (out, in, h, w) is stepped as a matrix of out rows. Steps have AdamW's size, so that its learning
    rates serve.

    Raises:
        RequestError: torch is older than 2.9.
    """

    def __init__(self, model: Network, learning_rate: float, weight_decay: float) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise RequestError("The optimiser muon needs torch 2.9 or newer; adamw runs on any.")
        named = dict(model.named_parameters())
        self._lent = {name: parameter for name, parameter in named.items() if _is_hidden_matrix(name, parameter)}
        self._matrices = [_as_matrix(parameter.detach(), parameter) for parameter in self._lent.values()]
        rest = {name: parameter for name, parameter in named.items() if name not in self._lent}
        self._muon = torch.optim.Muon(
            self._matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = torch.optim.AdamW(decay_groups(rest, weight_decay), lr=learning_rate, fused=True)
        self.param_groups = self._muon.param_groups + self._adamw.param_groups

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter, matrix in zip(self._lent.values(), self._matrices, strict=True):
            parameter.grad = matrix.grad = None
        self._adamw.zero_grad()

    def step(self) -> None:
        """Change all parameters by their gradients."""
        for parameter, matrix in zip(self._lent.values(), self._matrices, strict=True):
            matrix.grad = None if parameter.grad is None else _as_matrix(parameter.grad, parameter)
        self._muon.step()
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` takes."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s answer."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])
        self.param_groups = self._muon.param_groups + self._adamw.param_groups


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether all of the channels before meet in each of those after; a depthwise kernel is (channels, 1, h, w)."""
    of_scan = name.rpartition(".")[2] in UNDECAYED  # D and the step sizes' bias are (directions, channels)
    return parameter.ndim in (2, 4) and parameter.shape[1] > 1 and not of_scan and not name.startswith(ENDS)


def _as_matrix(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A parameter, or its gradient, as a matrix whose columns have the order of the parameter's memory."""
    last = parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return (tensor.movedim(1, -1) if last else tensor).flatten(1)
