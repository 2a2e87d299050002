"""Checkpoints on the Hugging Face Hub: ``hf://owner/name`` to a folder; ``push`` is the other way.

The network is asked only when such an address is given. What arrives is safetensors and a card, and is checked like any
checkpoint; a repository's pickles are not even fetched.
"""

from pathlib import Path

from medmamba.checkpoints import CARD, GOLDEN, WEIGHTS
from medmamba.errors import CheckpointError

SCHEME = "hf://"
FILES = [CARD, WEIGHTS, GOLDEN]
MISSING = "The hub cannot be reached without its library. Install it with: pip install huggingface_hub"


def is_address(name: object) -> bool:
    """Whether a checkpoint's name is one on the hub."""
    return isinstance(name, str) and name.startswith(SCHEME)


def fetch(address: str) -> Path:
    """The folder of ``hf://owner/name`` or ``hf://owner/name@revision`` in the hub's cache, fetched if need be.

    Raises:
        CheckpointError: there is no such repository, it cannot be reached, or it holds no checkpoint.
    """
    name, _, revision = address.removeprefix(SCHEME).partition("@")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, HTTPError  # of all that its own HTTP library raises
    except ImportError:
        raise CheckpointError(MISSING) from None
    try:
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=FILES))
    except (HFValidationError, HTTPError, OSError):
        raise CheckpointError("The hub has no such checkpoint, or cannot be reached. Write hf://owner/name.") from None
    if not (folder / CARD).is_file():
        raise CheckpointError("This repository of the hub holds no checkpoint: it has no card.json.")
    return folder
