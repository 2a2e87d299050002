"""How the paper and the released code train, as settings of our loop: ``train --protocol NAME``.

    paper-medmnist   the paper on MedMNIST: AdamW, 1e-3, cut to a tenth at epochs 50 and 75 of 100, batches of 128
    paper-other      the paper on its other sets: AdamW, 1e-4 all along, 150 epochs, batches of 64, no augmentation
    released-code    the authors' train.py: Adam, 1e-4 all along, 100 epochs, batches of 32, random crops, mirror images

All at 224 x 224 pixels, mean and deviation 0.5, cross-entropy, from random weights. What the sources leave open, or
our loop does in its own way: the paper says of MedMNIST's augmentation only that it follows earlier work, so there is
none here; the patience of its early stopping is not known to us, so all epochs are run; an epoch is as many pictures
as there are, drawn with replacement; crops are cut from squares of 224 pixels; weight decay spares norms and biases;
gradients are clipped at norm 1; the best weights are those with the highest mean of accuracy and AUC on validation,
where the authors take the accuracy. The paper's settings are quoted from replications and forks, not from the authors.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from medmamba.errors import RequestError

SCHEDULES = ("cosine", "steps", "constant")
PLAIN = {"size": 224, "label_smoothing": 0.0, "balance": 1.0, "average": 0.0, "warm_up": 0, "augment": "none"}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "paper-medmnist": PLAIN
    | {"epochs": 100, "batch": 128, "learning_rate": 1e-3, "weight_decay": 1e-4, "schedule": "steps"},
    "paper-other": PLAIN
    | {"epochs": 150, "batch": 64, "learning_rate": 1e-4, "weight_decay": 1e-4, "schedule": "constant"},
    "released-code": PLAIN
    | {"epochs": 100, "batch": 32, "learning_rate": 1e-4, "weight_decay": 0.0, "schedule": "constant"}
    | {"optimiser": "adam", "augment": "crop-flip"},
}


def settings_of(protocol: str) -> dict[str, Any]:
    """The settings of a protocol, by the names of ``train.TrainConfig``.

    Raises:
        RequestError: there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise RequestError(f"There is no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol]


def share_of_rate(schedule: str, progress: float) -> float:
    """What is left of the learning rate when ``progress`` (0 to 1) of a run is done, for "steps" and "constant".

    Raises:
        RequestError: there is no such schedule.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "steps":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    raise RequestError(f"There is no schedule {schedule!r}; there are: {', '.join(SCHEDULES)}.")


def changes(name: str, size: int) -> Callable[..., Tensor]:
    """What changes training pictures (batch, 3, size, size) in [0, 1]: "none" nothing, "crop-flip" torchvision's two.

    Raises:
        RequestError: there are no such changes.
    """
    if name == "none":
        return lambda pictures, *_: pictures
    if name != "crop-flip":
        raise RequestError(f"There is no augmentation {name!r}; there are: recipe, none, crop-flip.")
    from torchvision.transforms import v2

    crop, flip = v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()
    return lambda pictures, *_: torch.stack([flip(crop(picture)) for picture in pictures])
