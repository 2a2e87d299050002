"""Training pictures mixed with others of their task, so that a network cannot learn a small task's pictures by heart.

``mix`` mixes what they show: half of the mixtures are blends of two pictures (mixup, Zhang et al. 2018), half have a
box of the other picture in them (CutMix, Yun et al. 2019). The label is mixed likewise, see ``objective``; the modality
is the same for both, so that the router's label stays true.

``restyle`` mixes how it was taken: brightness, sharpness and texture, which tell one scanner or series from another,
lie in the amplitudes of a picture's spectrum, and where things are in its phases. Amplitudes come in part from another
picture of the task, of whatever class, and the label stays (amplitude mix, Xu et al. 2021).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Mixture(NamedTuple):
    """Pictures (batch, 3, H, W), what each has of itself (batch,), about half at least, the other's label (batch,)."""

    pictures: Tensor
    share: Tensor
    other: Tensor


def mix(pictures: Tensor, labels: Tensor, task: Tensor, rates: Tensor, random: torch.Generator) -> Mixture:
    """Mix pictures (batch, 3, H, W) with labels (batch,) of the numbered tasks (batch,), within the batch.

    rates: for each task, the share of its pictures that are mixed. A picture without a label, or alone with its task in
    the batch, stays as it is.
    """
    count, (height, width) = len(pictures), pictures.shape[-2:]
    if not rates.any():  # nothing is drawn, so that runs without mixing keep their random numbers
        return Mixture(pictures, torch.ones(count), labels)
    other = _partners(task, labels >= 0, rates, random)
    mixed = other != torch.arange(count)
    share = torch.where(mixed, 1 - torch.rand(count, generator=random) / 2, 1.0)

    blend = torch.rand(count, generator=random) < 0.5
    side = torch.where(blend, 1.0, (1 - share).sqrt())  # of the box, against the picture's
    corner = torch.rand(2, count, generator=random) * (1 - side)
    in_rows, in_columns = (
        ((torch.arange(length) + 0.5) / length - edge[:, None] - side[:, None] / 2).abs() < side[:, None] / 2
        for length, edge in ((height, corner[0]), (width, corner[1]))
    )
    box = in_rows[:, :, None] & in_columns[:, None]
    weight = box * torch.where(blend, 1 - share, mixed.float())[:, None, None]
    share = 1 - weight.mean((1, 2))  # a box ends at whole pixels
    return Mixture(torch.lerp(pictures, pictures[other], weight[:, None]), share, labels[other])


def restyle(pictures: Tensor, task: Tensor, rates: Tensor, random: torch.Generator) -> Tensor:
    """Pictures (batch, 3, H, W) in [0, 1] with some of the amplitudes of others of the numbered tasks (batch,).

    rates: for each task, the share of its pictures that are changed, each by a part of its own, at most half.
    """
    if not rates.any():
        return pictures
    count = len(pictures)
    other = _partners(task, torch.ones(count, dtype=torch.bool), rates, random)
    part = torch.rand(count, generator=random) / 2  # beyond half, what the phases say drowns
    changed = (other != torch.arange(count)).nonzero()[:, 0]
    spectra = torch.fft.rfft2(pictures)
    own, others = spectra[changed], spectra[other[changed]].abs()
    amplitude = torch.lerp(own.abs(), others, part[changed, None, None, None])
    restyled = torch.fft.irfft2(torch.polar(amplitude, own.angle()), s=pictures.shape[-2:])
    return pictures.index_copy(0, changed, restyled.clamp(0, 1))


def _partners(task: Tensor, allowed: Tensor, rates: Tensor, random: torch.Generator) -> Tensor:
    """For each picture (batch,) of a batch the number of another of its task, or its own if it stays as it is."""
    count = len(task)
    fits = (task[:, None] == task) & allowed & allowed[:, None] & ~torch.eye(count, dtype=torch.bool)
    other = torch.rand(count, count, generator=random).masked_fill(~fits, -1).argmax(1)
    chosen = (torch.rand(count, generator=random) < rates[task]) & fits.any(1)
    return torch.where(chosen, other, torch.arange(count))
