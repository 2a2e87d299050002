"""Checkpoints: a folder with the weights, a card that says what they are, and a golden example that proves they load.

    <name>/card.json             everything about the network that is not a tensor; the page's Model Facts come from it
    <name>/weights.safetensors   the network (matrices in float16 but A), and the statistics behind the novelty score
    <name>/golden.safetensors    one input and the logits it must give

Nothing here unpickles anything; the authors' ``.pth`` files come in through ``official``, and ``registry`` has both.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors
from torch import Tensor, nn

from medmamba.card_figures import Training, check_figures
from medmamba.errors import CheckpointError
from medmamba.listing import folders_in
from medmamba.network import Network, NetworkConfig
from medmamba.preprocess import Transform
from medmamba.replacing import making, replacing
from medmamba.tasks import OutputLayout, Task
from medmamba.typed import check_types
from medmamba.variants import build, config_from_json

CARD, WEIGHTS, GOLDEN = "card.json", "weights.safetensors", "golden.safetensors"
NOVELTY_PREFIX = "novelty."
LARGEST = int(torch.finfo(torch.float16).max)
GOLDEN_TOLERANCE = 2e-3  # logits, absolute: kernels of other processors round differently


@dataclass(frozen=True)
class Card:
    """What a checkpoint is. Everything a reader or the page needs is in here, in plain words where people read it.

    priors: for each task, by class, how frequent the probabilities take it to be among the pictures of the task.
    temperatures: for each task, and for ``router``, what logits are divided by before the softmax (Guo et al. 2017).
    novelty: threshold of the novelty score for tasks, in the order of its statistics; empty without these.
    evidence_scale: for each task, the logit contribution of one cell of the evidence map that counts as strong.
    bands: ``likely`` is the probability from which the words are "likely"; see ``classifier.band_of``.
    prediction_sets: for each task, the probability from which a class is in the 90 % prediction set; see ``conformal``.
    metrics: for each task, for ``router`` and for ``novelty``, what ``evaluate`` measured on the test split.
    """

    name: str
    title: str
    version: str
    date: str
    config: NetworkConfig
    transform: Transform
    layout: OutputLayout
    summary: str = ""
    intended_use: str = ""
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    licence: str = ""
    training: Training = field(default_factory=Training)
    priors: dict[str, dict[str, float]] = field(default_factory=dict)
    temperatures: dict[str, float] = field(default_factory=dict)
    novelty: dict[str, float] = field(default_factory=dict)
    evidence_scale: dict[str, float] = field(default_factory=dict)
    bands: dict[str, float] = field(default_factory=lambda: {"likely": 0.8})
    prediction_sets: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    sha256: str = ""

    def to_json(self) -> str:
        """The text of ``card.json``."""
        entry = asdict(self)
        entry["tasks"], entry["routed"] = entry["layout"]["tasks"], entry["layout"]["routed"]
        del entry["layout"]
        return json.dumps(entry, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read ``card.json``.

        Raises:
            CheckpointError: it is not JSON, a field is missing, unknown or of the wrong kind, or has a value that it
                cannot have.
        """
        try:
            entry = {name: _frozen(value) for name, value in json.loads(text).items()}
            network, transform, tasks, routed = (entry.pop(name) for name in ("config", "transform", "tasks", "routed"))
            card = cls(
                config=config_from_json(network),
                transform=Transform(transform["size"], _frozen(transform["mean"]), _frozen(transform["std"])),
                layout=OutputLayout(tuple(map(Task.from_json, tasks)), routed),
                **entry,
            )
            check_types(card)
            check_figures(card.metrics)
            _check_values(card)
            return card
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            known = ", ".join(f.name for f in fields(cls))
            raise CheckpointError(f"card.json cannot be used ({error}); its fields are: {known}.") from error


def _frozen(value: Any) -> Any:
    """A list of JSON as the tuple that it is on a card; anything else as it is, for ``check_types`` to judge."""
    return tuple(value) if isinstance(value, list) else value


def _check_values(card: Card) -> None:
    """Refuse what would come up only when a picture is classified.

    Raises:
        ValueError: a value is of its kind and yet cannot be.
    """
    if min(*card.config.depths, card.config.width, card.config.num_outputs, card.transform.size) < 1:
        raise ValueError("a size is not positive")
    if min(*card.transform.std, *card.temperatures.values()) <= 0:
        raise ValueError("something to divide by is not positive")
    if "likely" not in card.bands:
        raise ValueError("bands lacks likely")
    if not card.novelty.keys() <= {task.name for task in card.layout.tasks}:
        raise ValueError("novelty names a task that there is not")


@dataclass(frozen=True)
class Checkpoint:
    """A loaded folder: the card, the network in evaluation mode, and the tensors of the novelty score, if any."""

    card: Card
    model: Network
    novelty: dict[str, Tensor]


def default_root() -> Path:
    """Where checkpoints live: ``$MEDMAMBA_CHECKPOINTS``, or ``checkpoints/`` beside the package."""
    named = os.environ.get("MEDMAMBA_CHECKPOINTS")
    return Path(named) if named else Path(__file__).parents[1] / "checkpoints"


def list_checkpoints(root: Path | None = None) -> dict[str, Card | CheckpointError]:
    """The folders under ``root``, by name: their card, or the error that keeps them from being used."""
    found: dict[str, Card | CheckpointError] = {}
    for folder in folders_in(root or default_root()):
        try:
            found[folder.name] = read_card(folder)
        except CheckpointError as error:
            found[folder.name] = error
    return found


def has_card(folder: Path) -> bool:
    """Whether a folder is one of ours; one that may not be looked into, as a disk's lost+found, is not."""
    return os.path.isfile(folder / CARD)


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder; not to be changed, since whoever reads the same file shares it."""
    try:
        state = (folder / CARD).stat()
        card = _card_in(folder / CARD, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"The checkpoint folder {folder.name} has no readable {CARD}.") from error
    if isinstance(card, str):
        raise CheckpointError(card)
    return card


@lru_cache(maxsize=64)
def _card_in(file: Path, changed: int, size: int) -> Card | str:
    """The card, or why it cannot be used. Read again when the file has changed: every request asks for the cards."""
    try:
        return Card.from_json(file.read_text(encoding="utf-8"))
    except CheckpointError as error:
        return str(error)  # the error itself would grow by a traceback each time that it is raised


def load(folder: Path, backend: str = "auto") -> Checkpoint:
    """Load the weights of a folder and hold them to their card: hash, names, shapes, and the golden logits.

    Raises:
        CheckpointError: a file is missing or damaged, or does not fit the card.
    """
    card = read_card(folder)
    path = folder / WEIGHTS
    try:
        found = hash_of(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {card.name} has no readable {WEIGHTS}.") from error
    if found != card.sha256:
        raise CheckpointError(f"{WEIGHTS} of {card.name} is not the file that its card names; fetch the folder again.")
    tensors = _read(path)
    try:
        model = build(card.config, backend=backend)
    except (RuntimeError, TypeError, MemoryError) as error:  # torch's, of shapes that nothing can hold
        raise CheckpointError(f"The card of {card.name} names sizes beyond all memory; fetch it again.") from error
    load_strictly(model, {k: v for k, v in tensors.items() if not k.startswith(NOVELTY_PREFIX)})
    model.eval().requires_grad_(False)
    if card.config.num_outputs != card.layout.num_outputs:
        raise CheckpointError(
            f"The card of {card.name} names {card.layout.num_outputs} classes and routes, its network has "
            f"{card.config.num_outputs} outputs."
        )
    _check_golden(folder, card, model)
    novelty = {k.removeprefix(NOVELTY_PREFIX): v.float() for k, v in tensors.items() if k.startswith(NOVELTY_PREFIX)}
    return Checkpoint(card, model, novelty)


def as_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors as ``save`` writes them: matrices in float16.

    ``A_log`` stays as it is, since rounded decays are no powers of one another any more (``SS2D.tie_decays``).
    """
    return {k: v.half() if v.ndim > 1 and not k.endswith(".A_log") else v for k, v in state.items()}


def save(folder: Path, card: Card, model: Network, novelty: dict[str, Tensor], golden_input: Tensor) -> Card:
    """Write a checkpoint folder from a trained network; returns the card with the hash of the weights filled in.

    The golden logits are those of the weights as stored. golden_input: (batch, 3, size, size), normalised.

    Raises:
        CheckpointError: as stored, the weights or their golden logits are not finite; nothing is written.
    """
    stored = as_stored(model.state_dict())
    stored |= {NOVELTY_PREFIX + k: v for k, v in novelty.items()}
    reloaded = build(card.config).eval()
    load_strictly(reloaded, {k: v for k, v in stored.items() if not k.startswith(NOVELTY_PREFIX)})
    with torch.inference_mode():
        logits = reloaded(golden_input)
    if not all(tensor.isfinite().all() for tensor in (*reloaded.state_dict().values(), logits)):
        raise CheckpointError(
            f"The weights cannot be stored: a checkpoint keeps matrices in 16 bits, with no number above {LARGEST}, "
            "and so these give no finite answer. Use the file that they come from as it is."
        )
    # All three are written before any takes its place, so that a crash leaves the checkpoint that was there.
    with (
        making(folder),
        replacing(folder / GOLDEN) as golden,
        replacing(folder / WEIGHTS) as weights,
        replacing(folder / CARD) as text,
    ):
        # As bytes, since the library's own files may be read by nobody but their owner.
        golden.write_bytes(safetensors({"input": golden_input.contiguous(), "logits": logits.contiguous()}))
        weights.write_bytes(safetensors({k: v.contiguous().cpu() for k, v in stored.items()}))
        card = replace(card, sha256=hash_of(weights))
        text.write_text(card.to_json(), encoding="utf-8")
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write the card of a checkpoint folder, in place of the one there."""
    with replacing(folder / CARD) as text:
        text.write_text(card.to_json(), encoding="utf-8")


def load_strictly(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """``load_state_dict`` for the network's own tensors, all of them and no others; see ``check_tensors``."""
    check_tensors(model.state_dict(), tensors)
    model.load_state_dict(tensors)


def check_tensors(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Name every tensor that is missing, left over or of another shape.

    Raises:
        CheckpointError: names and shapes are not exactly the expected ones.
    """
    faults = [f"missing {key}" for key in expected if key not in tensors]
    faults += [f"unknown {key}" for key in tensors if key not in expected]
    faults += [
        f"{key} is {tuple(tensor.shape)} instead of {tuple(expected[key].shape)}"
        for key, tensor in tensors.items()
        if key in expected and tensor.shape != expected[key].shape
    ]
    if faults:
        more = f" and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise CheckpointError(f"The weights do not fit the network: {'; '.join(faults[:8])}{more}.")


def check_numbers(tensors: Iterable[Tensor]) -> None:
    """Hold tensors out of somebody's file to what a network can take in.

    Raises:
        CheckpointError: one is sparse, quantised, complex or a shape without numbers, or not finite as float32.
    """
    for tensor in tensors:
        if tensor.layout is not torch.strided or not tensor.is_cpu or tensor.is_quantized or tensor.is_complex():
            raise CheckpointError("The weights are not plain numbers but sparse, quantised or complex; convert them.")
        if not tensor.float().isfinite().all():
            raise CheckpointError("The weights hold numbers that are not finite; they cannot answer.")


def check_logits(logits: Tensor) -> None:
    """Hold what a network computes to numbers: finite weights may overflow, and a norm's variance may be negative.

    Raises:
        CheckpointError: not all of them are finite.
    """
    if not logits.isfinite().all():
        raise CheckpointError("The weights lead to numbers that are not finite; they cannot answer.")


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name} is damaged or not a safetensors file; fetch the folder again.") from error


def _check_golden(folder: Path, card: Card, model: Network) -> None:
    if not (folder / GOLDEN).is_file():
        raise CheckpointError(f"The checkpoint {card.name} has no {GOLDEN}.")
    golden = _read(folder / GOLDEN)
    square = (3, card.transform.size, card.transform.size)
    fitting = {"input": square, "logits": (card.layout.num_outputs,)}
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in golden.items() if tensor.dtype is torch.float32}
    if shapes != fitting or len(golden["input"]) != len(golden["logits"]):
        raise CheckpointError(f"{GOLDEN} of {card.name} does not hold an input and its logits; fetch the folder again.")
    with torch.inference_mode():
        error = (model(golden["input"]) - golden["logits"]).abs().max().item()
    if not error <= GOLDEN_TOLERANCE:
        raise CheckpointError(
            f"{card.name} gives other logits than its golden example (off by {error:.3g}): this machine miscomputes it."
        )
