"""Weights in the layout of the MedMamba authors' code: their ``.pth`` files, and the same names in our network.

The authors save a bare state dict beside ``class_indices.json`` ({"0": "class folder", ...}). Some forks wrap it in a
dict under ``model_state_dict``, or prefix every name with ``module.``; both are understood. Depths, width and class
count are read off the tensors. Files are read with ``weights_only=True``, so that they cannot run code.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from medmamba.checkpoints import load_strictly
from medmamba.errors import CheckpointError
from medmamba.model import VARIANTS, MedMamba, MedMambaConfig

RENAMES = (
    (r"^patch_embed\.", "patch_embedding."),
    (r"^layers\.(\d+)\.blocks\.(\d+)\.ln_1\.", r"stages.\1.blocks.\2.norm."),
    (r"^layers\.(\d+)\.blocks\.(\d+)\.conv33conv33conv11\.", r"stages.\1.blocks.\2.conv."),
    (r"^layers\.(\d+)\.blocks\.(\d+)\.self_attention\.", r"stages.\1.blocks.\2.ss2d."),
    (r"^layers\.(\d+)\.downsample\.", r"stages.\1.merging."),
    (r"\.ss2d\.conv2d\.", ".ss2d.conv."),
    (r"\.ss2d\.dt_projs_weight$", ".ss2d.dt_proj_weight"),
    (r"\.ss2d\.dt_projs_bias$", ".ss2d.dt_proj_bias"),
    (r"\.ss2d\.A_logs$", ".ss2d.A_log"),
    (r"\.ss2d\.Ds$", ".ss2d.D"),
    (r"^head\.", "classifier."),
)
PER_DIRECTION = 4


def our_name(name: str) -> str:
    """The name in our network of a tensor in the authors' layout; names of neither kind stay as they are."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def from_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dict under our names and shapes: A and D get their direction as an axis of its own."""
    ours = {our_name(name.removeprefix("module.")): tensor for name, tensor in tensors.items()}
    for name, tensor in ours.items():
        if name.endswith((".A_log", ".ss2d.D")) and tensor.ndim and tensor.shape[0] % PER_DIRECTION == 0:
            ours[name] = tensor.unflatten(0, (PER_DIRECTION, -1))
    return ours


def config_of(tensors: Mapping[str, Tensor]) -> MedMambaConfig:
    """Read depths, width, state size and class count off tensors under our names.

    Raises:
        CheckpointError: they are not those of a MedMamba.
    """
    try:
        blocks = {m.group(1, 2) for name in tensors if (m := re.match(r"stages\.(\d+)\.blocks\.(\d+)\.", name))}
        depths = tuple(sum(stage == str(i) for stage, _ in blocks) for i in range(4))
        config = MedMambaConfig(
            depths=depths,
            width=tensors["patch_embedding.proj.weight"].shape[0],
            num_outputs=tensors["classifier.weight"].shape[0],
            d_state=tensors["stages.0.blocks.0.ss2d.A_log"].shape[-1],
        )
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"These are not the weights of a MedMamba: there is no {error}.") from error
    if 0 in depths:
        raise CheckpointError(f"These are not the weights of a MedMamba: the four stages have {depths} blocks.")
    return config


def variant_of(config: MedMambaConfig) -> str:
    """T, S or B if the shapes are the paper's, else "custom"."""
    return next((name for name, shape in VARIANTS.items() if shape == (config.depths, config.width)), "custom")


def load_pth(path: Path, backend: str = "auto") -> MedMamba:
    """Build the network that a file in the authors' layout holds, strictly.

    Raises:
        CheckpointError: not such a file; a tensor is missing, left over or of the wrong shape.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes lead torch's unpickler to IndexError, KeyError and many more
        raise CheckpointError("The file is not a PyTorch state dict that can be read without running code.") from error
    if isinstance(content, Mapping) and isinstance(content.get("model_state_dict"), Mapping):
        content = content["model_state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise CheckpointError(
            "The file holds no state dict: expected tensors by name, or a dict with model_state_dict."
        )
    tensors = from_official(content)
    model = MedMamba(config_of(tensors), drop_path=0.0, backend=backend)
    load_strictly(model, tensors)
    return model.eval()


def read_class_indices(path: Path, num_classes: int) -> tuple[str, ...]:
    """Class names in the order of the outputs, from the authors' ``class_indices.json`` (index -> name) or its inverse.

    Raises:
        CheckpointError: the file does not name exactly the outputs 0 to num_classes - 1.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if all(k.isdigit() and isinstance(v, str) for k, v in entries.items()):
            by_index = {int(k): v for k, v in entries.items()}
        else:  # class folders may be named by numbers, so the keys alone do not tell
            by_index = {int(v): k for k, v in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name} is not a JSON object of class indices and names.") from error
    if sorted(by_index) != list(range(num_classes)) or len(entries) != num_classes:
        raise CheckpointError(f"{path.name} names {len(entries)} classes; the weights have {num_classes}, from 0 on.")
    return tuple(by_index[i] for i in range(num_classes))
