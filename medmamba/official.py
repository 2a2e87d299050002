"""Weights in the layout of the MedMamba authors' code: their ``.pth`` files, and the same names in our network.

The authors save a bare state dict beside ``class_indices.json`` ({"0": "class folder", ...}). Some forks wrap it in a
dict under ``model_state_dict``, or prefix every name with ``module.``; both are understood. Depths, width and class
count are read off the tensors. Files are read with ``weights_only=True``, so that they cannot run code. Messages use
the names that stand in the file.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

from medmamba.checkpoints import Card, Checkpoint, check_numbers, check_tensors, hash_of, load_strictly
from medmamba.errors import CheckpointError
from medmamba.model import VARIANTS, MedMamba, MedMambaConfig
from medmamba.preprocess import Transform
from medmamba.tasks import ClassName, OutputLayout, Task

# How names begin in the authors' layout and in ours, the longer beginnings first; * is a number.
RENAMES = (
    ("patch_embed.", "patch_embedding."),
    ("layers.*.blocks.*.ln_1.", "stages.*.blocks.*.norm."),
    ("layers.*.blocks.*.conv33conv33conv11.", "stages.*.blocks.*.conv."),
    ("layers.*.blocks.*.self_attention.conv2d.", "stages.*.blocks.*.ss2d.conv."),
    ("layers.*.blocks.*.self_attention.dt_projs_", "stages.*.blocks.*.ss2d.dt_proj_"),
    ("layers.*.blocks.*.self_attention.A_logs", "stages.*.blocks.*.ss2d.A_log"),
    ("layers.*.blocks.*.self_attention.Ds", "stages.*.blocks.*.ss2d.D"),
    ("layers.*.blocks.*.self_attention.", "stages.*.blocks.*.ss2d."),
    ("layers.*.downsample.", "stages.*.merging."),
    ("head.", "classifier."),
)
PER_DIRECTION = 4
SIZE = 224  # pixels, as in the authors' scripts, whose mean and standard deviation of 0.5 are ``Transform``'s own
UNKNOWN = "Unknown: the file does not say."
NOT_FOR = ("Diagnosis, triage, screening or any other decision about a patient: it is not a medical device.",)
NO_METRICS = "No metrics: nothing was measured on test pictures, so nobody here knows how often it is right."
LIMITS = (
    "Not calibrated: its probabilities are the bare softmax.",
    "No novelty threshold: it answers any picture, also of things that it has never seen.",
    NO_METRICS,
    "What it expects of pictures is taken from the authors' code: 224 x 224 pixels, mean and deviation 0.5.",
)
NUMBERED = "Its classes are named by numbers, in the order of folder names (10 before 2): class 2 need not be output 2."


def our_name(name: str) -> str:
    """The name in our network of a tensor in the authors' layout; names of neither kind stay as they are."""
    return _renamed(name, dict(RENAMES))


def their_name(name: str) -> str:
    """The name in the authors' layout of a tensor of our network."""
    return _renamed(name, {ours: theirs for theirs, ours in RENAMES})


def _renamed(name: str, beginnings: Mapping[str, str]) -> str:
    for old, new in beginnings.items():
        if found := re.match(re.escape(old).replace(r"\*", r"(\d+)"), name):
            return new.replace("*", "{}").format(*found.groups()) + name[found.end() :]
    return name


def from_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dict under our names and shapes: A and D get their direction as an axis of its own."""
    ours = {our_name(name.removeprefix("module.")): tensor for name, tensor in tensors.items()}
    for name, tensor in ours.items():
        if name.endswith((".A_log", ".ss2d.D")) and tensor.ndim and tensor.shape[0] % PER_DIRECTION == 0:
            ours[name] = tensor.unflatten(0, (PER_DIRECTION, -1))
    return ours


def to_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of ``from_official``, without the prefix."""
    return {
        their_name(name): tensor.flatten(0, 1) if name.endswith((".A_log", ".ss2d.D")) else tensor
        for name, tensor in tensors.items()
    }


def config_of(tensors: Mapping[str, Tensor]) -> MedMambaConfig:
    """Read depths, width, state size and class count off tensors under our names.

    Raises:
        CheckpointError: they are not those of a MedMamba.
    """
    try:
        blocks = {m.group(1, 2) for name in tensors if (m := re.match(r"stages\.(\d+)\.blocks\.(\d+)\.", name))}
        depths = tuple(sum(stage == str(i) for stage, _ in blocks) for i in range(4))
        if 0 in depths:
            raise CheckpointError(f"These are not the weights of a MedMamba: the four stages have {depths} blocks.")
        return MedMambaConfig(
            depths=depths,
            width=tensors["patch_embedding.proj.weight"].shape[0],
            num_outputs=tensors["classifier.weight"].shape[0],
            d_state=tensors["stages.0.blocks.0.ss2d.A_log"].shape[-1],
        )
    except IndexError as error:
        raise CheckpointError("These are not the weights of a MedMamba: a matrix is a single number.") from error
    except KeyError as error:
        gone = their_name(str(error.args[0]))
        raise CheckpointError(f"These are not the weights of a MedMamba: there is no {gone!r}.") from error
    except ValueError as error:
        raise CheckpointError("These are not the weights of a MedMamba: no network has such shapes.") from error


def variant_of(config: MedMambaConfig) -> str:
    """T, S or B if the shapes are the paper's, else "custom"."""
    return next((name for name, shape in VARIANTS.items() if shape == (config.depths, config.width)), "custom")


def load_pth(path: Path, backend: str = "auto") -> MedMamba:
    """Build the network that a file in the authors' layout holds, strictly.

    Raises:
        CheckpointError: not such a file; a tensor is missing, left over, of the wrong shape, or cannot be computed
            with.
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
    check_numbers(content.values())
    content = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    tensors = from_official(content)
    config = config_of(tensors)
    try:
        with torch.device("meta"):  # shapes alone, so that a wrong file costs no memory
            expected = MedMamba(config).state_dict()
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError("These are not the weights of a MedMamba: no network has such shapes.") from error
    check_tensors(to_official(expected), content)
    model = MedMamba(config, drop_path=0.0, backend=backend)
    load_strictly(model, tensors)
    return model.eval().requires_grad_(False)


def convert(weights: Path, class_indices: Path, name: str, backend: str = "auto") -> Checkpoint:
    """A checkpoint from the authors' two files, with a card that says what nobody knows of it.

    Raises:
        CheckpointError: one of the files is not what it should be, they do not fit together, or they have one class.
    """
    model = load_pth(weights, backend)
    config = model.config
    if config.num_outputs < 2:
        raise CheckpointError("The weights have a single output: as the only class it would always be certain.")
    classes = read_class_indices(class_indices, config.num_outputs)
    numbered = any(label.isdigit() for label in classes)
    task = Task(
        name="classes",
        modality="unknown kind of picture",
        question="Which of the file's classes is this?",
        classes=tuple(ClassName(c, f"Class {c}" if c.isdigit() else c.replace("_", " ")) for c in classes),
        source=UNKNOWN,
        licence=UNKNOWN,
        caveat="Weights from elsewhere: not calibrated, and unable to refuse what they do not know.",
    )
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    card = Card(
        name=name,
        title=f"MedMamba-{variant_of(config)} {name}",
        version="unknown",
        date=date.fromtimestamp(weights.stat().st_mtime).isoformat(),
        config=config,
        transform=Transform(SIZE),
        layout=OutputLayout((task,)),
        summary=f"Weights in the layout of the MedMamba authors' code: {millions:.1f} million parameters.",
        intended_use=UNKNOWN,
        not_for=NOT_FOR,
        limits=LIMITS + ((NUMBERED,) if numbered else ()),
        licence=UNKNOWN,
        sha256=hash_of(weights),
    )
    return Checkpoint(card, model, {})


def read_class_indices(path: Path, num_classes: int) -> tuple[str, ...]:
    """Class names in the order of the outputs, from the authors' ``class_indices.json`` (index -> name) or its inverse.

    Raises:
        CheckpointError: the file does not name exactly the outputs 0 to num_classes - 1, each otherwise and not blank.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows programs write a byte-order mark
        if all(k.isdigit() and isinstance(v, str) for k, v in entries.items()):
            by_index = {int(k): v for k, v in entries.items()}
        else:  # class folders may be named by numbers, so the keys alone do not tell
            by_index = {int(str(v)): k for k, v in entries.items()}  # int alone would take 2.7 for 2 and true for 1
        "".join(by_index.values()).encode()  # half of a character, as JSON's escapes can say, is no name
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name} is not a JSON object of class indices and names.") from error
    if sorted(by_index) != list(range(num_classes)) or len(entries) != num_classes:
        raise CheckpointError(f"{path.name} names {len(entries)} classes; the weights have {num_classes}, from 0 on.")
    if not all(map(str.strip, by_index.values())):
        raise CheckpointError(f"{path.name} has a class without a name; name each.")
    if len(set(by_index.values())) < num_classes:
        raise CheckpointError(f"{path.name} gives two outputs the same class.")
    return tuple(by_index[i] for i in range(num_classes))
