"""Trained networks by name, without their card; ``Classifier`` is a network with its card at work."""

from pathlib import Path

from medmamba import official, registry
from medmamba.network import Network


def load(name_or_path: str | Path, backend: str = "auto") -> Network:
    """The network of a checkpoint, by its name or folder, or of a ``.pth`` file of the authors; in evaluation mode.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = Path(name_or_path)
    if path.is_file():
        return official.load_pth(path, backend)
    return registry.load(name_or_path, backend=backend).model
