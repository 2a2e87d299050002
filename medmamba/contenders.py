"""The sides of a comparison: a checkpoint of ours, or a network of torchvision or timm with the user's own weights.

    generalist                          a checkpoint, by name or folder
    torchvision:resnet18@weights.pt     torchvision's network of that name with a state dict for the task's classes
    timm:swin_tiny_patch4_window7_224@weights.safetensors

A library's network takes what these libraries train on: squares normalised with ImageNet's mean and standard deviation,
its outputs in the order of the task's classes. Its files are read without running code.
"""

import re
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from medmamba import calibrate, registry
from medmamba.checkpoints import check_numbers, load_strictly
from medmamba.data import Split
from medmamba.errors import CheckpointError, RequestError
from medmamba.inference import InferenceForm
from medmamba.observe import observe
from medmamba.preprocess import Transform
from medmamba.saliency import grad_cam_of
from medmamba.tasks import OutputLayout, Task

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean, standard deviation
LIBRARIES = ("torchvision", "timm")
BATCH = 32


class Contender(ABC):
    """A network that can be asked a task. ``layout``: the tasks that it names itself, None when it names none."""

    title: str
    transform: Transform
    layout: OutputLayout | None
    parameters: int

    @abstractmethod
    def probabilities(self, task: Task, squares: np.ndarray) -> np.ndarray:
        """(n, classes) of squares (n, size, size, 3) uint8; calibrated if the contender is."""

    @abstractmethod
    def maps(self, task: Task, squares: np.ndarray) -> np.ndarray | None:
        """Grad-CAM of the most probable class on the last grid, (n, h, w); None for a network without a grid."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """One pass, for its speed: (batch, 3, size, size) -> logits."""


class OfCheckpoint(Contender):
    """A checkpoint, with the temperatures of its card."""

    def __init__(self, name: str) -> None:
        checkpoint = registry.load(name)
        self.card, self.model = checkpoint.card, checkpoint.model
        self.title = f"{self.card.title}, version {self.card.version}"
        self.transform, self.layout = self.card.transform, self.card.layout
        self.parameters = sum(p.numel() for p in self.model.parameters())
        model = self.model
        self._network = InferenceForm(model) if InferenceForm.serves(model, torch.device("cpu")) else model

    def probabilities(self, task: Task, squares: np.ndarray) -> np.ndarray:
        """As ``Contender.probabilities``."""
        seen = observe(self.model, self.transform, _unlabelled(squares))
        temperature = self.card.temperatures.get(task.name, 1.0)
        return calibrate.probabilities(seen.logits[:, self.card.layout.outputs(task.name)], temperature)

    def maps(self, task: Task, squares: np.ndarray) -> np.ndarray | None:
        """As ``Contender.maps``; on the last stage it is CAM, which ``observe`` knows already."""
        seen, outputs = observe(self.model, self.transform, _unlabelled(squares)), self.card.layout.outputs(task.name)
        of_predicted = seen.evidence[:, :, outputs][np.arange(len(seen)), :, seen.logits[:, outputs].argmax(1)]
        side = round(of_predicted.shape[1] ** 0.5)
        return of_predicted.reshape(-1, side, side)

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> Tensor:
        """As ``Contender.forward``."""
        return self._network(inputs)


class OfLibrary(Contender):
    """A network of torchvision or timm with a state dict for ``classes`` classes."""

    layout = None

    def __init__(self, library: str, name: str, weights: Path, classes: int, size: int) -> None:
        self.title, self.transform = f"{name} ({library})", Transform(size, *IMAGENET)
        self.model = _build(library, name, classes)
        tensors = _read(weights)
        check_numbers(tensors.values())
        load_strictly(self.model, tensors)
        self.model.eval().requires_grad_(False)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        try:
            self.forward(torch.zeros(1, 3, size, size))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise RequestError(f"{name} takes no pictures of {size} pixels a side; name its own by --size.") from error

    @torch.inference_mode()
    def probabilities(self, task: Task, squares: np.ndarray) -> np.ndarray:
        """As ``Contender.probabilities``; not calibrated, since nothing says by what."""
        starts = range(0, len(squares), BATCH)
        logits = [self.model(self.transform.to_tensor(squares[start : start + BATCH])) for start in starts]
        return calibrate.probabilities(torch.cat(logits).numpy(), 1.0)

    def maps(self, task: Task, squares: np.ndarray) -> np.ndarray | None:
        """As ``Contender.maps``, by the grad-cam package on the last part of the network that puts out a grid."""
        inputs = self.transform.to_tensor(squares)
        layer = _last_grid(self.model, inputs[:1])
        if layer is None:
            return None
        return grad_cam_of(self.model, layer, inputs)

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> Tensor:
        """As ``Contender.forward``."""
        return self.model(inputs)


def library_of(spec: str) -> tuple[str, str, Path] | None:
    """Library, network and weights of ``library:network@file``; None for the name of a checkpoint."""
    match = re.fullmatch(rf"({'|'.join(LIBRARIES)}):([\w.]+)@(.+)", spec)
    return (match[1], match[2], Path(match[3])) if match else None


def _unlabelled(squares: np.ndarray) -> Split:
    return Split(squares, np.full(len(squares), -1))


def _build(library: str, name: str, classes: int) -> nn.Module:
    try:
        if library == "torchvision":
            from torchvision import models

            if name.lower() not in models.list_models(module=models):  # others fetch a part of their weights
                raise ValueError(name)
            return models.get_model(name, weights=None, num_classes=classes)
        import timm

        return timm.create_model(name, pretrained=False, num_classes=classes)
    except ImportError as error:
        raise RequestError(f"{library} is not installed; pip install {library}.") from error
    except (ValueError, RuntimeError, TypeError) as error:
        raise RequestError(f"{library} cannot build a classifier named {name!r}.") from error


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError("There is no such file of weights; look at its path.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, weights_only=True, map_location="cpu")
        content = content.get("state_dict", content)
        if not all(isinstance(tensor, Tensor) for tensor in content.values()):
            raise TypeError
        return {name.removeprefix("module."): tensor for name, tensor in content.items()}
    except Exception as error:  # damaged bytes lead torch's unpickler to IndexError, KeyError and many more
        raise CheckpointError("The weights are not a state dict that can be read without running code.") from error


def _last_grid(model: nn.Module, inputs: Tensor) -> nn.Module | None:
    """The part that finishes last of those that put out (batch, channels, h, w) with more than one cell.

    Grids that are channels last, as within Swin, are passed over: channels outnumber cells this deep in a network.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] > output.shape[3] > 1:
            found.append(module)

    hooks = [module.register_forward_hook(note) for module in model.modules() if module is not model]
    try:
        with torch.inference_mode():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if found else None
