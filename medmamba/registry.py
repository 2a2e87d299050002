"""What stands in the checkpoints folder: our own folders with a card, and the authors' weights as they save them.

<name>/card.json and its tensors                        our own, see ``checkpoints``
<name>/<any>.pth with <name>/class_indices.json         the authors' two files in a folder; known as <name>
<name>.pth with <name>.class_indices.json               or beside one another; known as <name>.pth
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from medmamba import checkpoints, hub, official
from medmamba.checkpoints import Card, Checkpoint, has_card
from medmamba.errors import CheckpointError, RequestError

CLASS_INDICES = "class_indices.json"


@dataclass(frozen=True)
class Pair:
    """The authors' two files."""

    name: str
    weights: Path
    indices: Path

    @property
    def state(self) -> tuple[tuple[int, int], ...]:
        """What changes when either file does."""
        return tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in (self.weights, self.indices))


def list_all(root: Path | None = None) -> dict[str, Card | CheckpointError]:
    """Everything under ``root``, by name: its card, or the error that keeps it from being used."""
    root = root or checkpoints.default_root()
    found = checkpoints.list_checkpoints(root)
    for place in _official_places(root):
        try:
            found[place.name] = read_card(place)
        except CheckpointError as error:
            found[place.name] = error
    return found


def read_card(name_or_path: str | Path, root: Path | None = None) -> Card:
    """The card of a checkpoint, which is made up on the spot for the authors' files.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be used.
    """
    place = find(name_or_path, root)
    if has_card(place):
        return checkpoints.read_card(place)
    pair = _pair(place)
    card = _converted(pair, pair.state)
    if isinstance(card, str):
        raise CheckpointError(card)
    return card


def load(name_or_path: str | Path, root: Path | None = None, backend: str = "auto") -> Checkpoint:
    """Load a checkpoint by its name under ``root`` or by its path.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    place = find(name_or_path, root)
    if has_card(place):
        return checkpoints.load(place, backend)
    pair = _pair(place)
    return official.convert(pair.weights, pair.indices, pair.name, backend)


def find(name_or_path: str | Path, root: Path | None = None) -> Path:
    """The folder or ``.pth`` file of a checkpoint, given its name under ``root``, its path, or its address on the hub.

    Raises:
        CheckpointError: there is none; the message lists those there are.
    """
    if hub.is_address(name_or_path):
        return hub.fetch(str(name_or_path))
    root = root or checkpoints.default_root()
    for place in (Path(name_or_path), root / name_or_path):
        if has_card(place) or _is_official(place):
            return place
    known = ", ".join(list_all(root)) or "none"
    raise CheckpointError(f"There is no checkpoint {Path(name_or_path).name!r}. Known checkpoints: {known}.")


def find_own(name_or_path: str | Path) -> Path:
    """The folder of a checkpoint of ours, as ``find`` has it, for what needs a card in a file.

    Raises:
        CheckpointError: there is none of that name.
        RequestError: it is the authors' weights, which have no card of their own.
    """
    place = find(name_or_path)
    if not has_card(place):
        raise RequestError("These weights have no card, which this needs; `python -m medmamba import` makes one.")
    return place


def _official_places(root: Path) -> Iterator[Path]:
    yield from (place for place in sorted(root.glob("*")) if not has_card(place) and _is_official(place))


def _is_official(place: Path) -> bool:
    return any(place.glob("*.pth")) if os.path.isdir(place) else place.suffix == ".pth" and os.path.isfile(place)


def _pair(place: Path) -> Pair:
    weights = sorted(place.glob("*.pth")) if place.is_dir() else [place]
    if len(weights) > 1:
        raise CheckpointError(f"The folder {place.name} holds several .pth files; give each a folder of its own.")
    indices = place / CLASS_INDICES if place.is_dir() else place.with_name(f"{place.stem}.{CLASS_INDICES}")
    if not indices.is_file():
        raise CheckpointError(f"The weights of {place.name} have no {indices.name}, which names their classes.")
    return Pair(place.name, weights[0], indices)


@lru_cache(maxsize=32)
def _converted(pair: Pair, state: tuple[tuple[int, int], ...]) -> Card | str:
    """The card of a pair, or why it has none; read again when ``state`` changes: every request asks for the list."""
    try:
        return official.convert(pair.weights, pair.indices, pair.name).card
    except CheckpointError as error:
        return str(error)
