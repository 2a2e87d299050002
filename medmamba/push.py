"""``python -m medmamba push``: a checkpoint with its model card to the Hugging Face Hub."""

import argparse
import json
from typing import Any

from medmamba import catalogue, checkpoints, registry
from medmamba.checkpoints import CARD, Card
from medmamba.errors import CheckpointError, RequestError
from medmamba.hub import FILES, MISSING, SCHEME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", help="name or folder of a checkpoint of ours")
    parser.add_argument("repository", help="owner/name on the hub; made, privately, if it is not there")
    parser.add_argument("--public", action="store_true", help="make the repository public where it is new")


def run(arguments: argparse.Namespace) -> int:
    """Send a checkpoint with its model card to the hub; the token is the hub's own affair (``hf auth login``).

    Raises:
        CheckpointError: the checkpoint cannot be used, or the hub cannot be reached or does not take it.
        RequestError: the checkpoint has no card, or the hub can have no repository of that name.
    """
    folder = registry.find_own(arguments.checkpoint)
    card = checkpoints.load(folder).card  # nothing goes out that does not load
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HFValidationError, HTTPError  # of all that its own HTTP library raises
    except ImportError:
        raise CheckpointError(MISSING) from None
    api = HfApi()
    files = {name: (folder / name).read_bytes() for name in FILES}
    files |= {"README.md": model_card(card, arguments.repository).encode(), "config.json": config(card).encode()}
    try:
        api.create_repo(arguments.repository, private=not arguments.public, exist_ok=True)
        done = api.create_commit(
            arguments.repository,
            [CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=f"{card.title}, version {card.version} of {card.date}",
        )
    except HFValidationError:
        raise RequestError("The hub has no repositories of such a name. Write owner/name.") from None
    except (HTTPError, OSError) as error:
        raise CheckpointError(
            f"The hub cannot be reached, or did not take it ({type(error).__name__}). Log in with: hf auth login"
        ) from None
    print(f"{arguments.repository} is now at {done.oid}; load it with medmamba.load('{SCHEME}{arguments.repository}').")
    return 0


def config(card: Card) -> str:
    """config.json, by which the hub counts downloads; everything of use is in card.json."""
    words: dict[str, Any] = {"library_name": "medmamba", "card": CARD, "version": card.version, "sha256": card.sha256}
    return json.dumps(words, indent=1)


def model_card(card: Card, repository: str) -> str:
    """The hub's README: its front matter, and the card as the catalogue writes it."""
    tags = sorted({"medical-imaging", "mamba", "not-for-diagnosis", *(task.name for task in card.layout.tasks)})
    head = [
        "---",
        "license: cc-by-nc-sa-4.0" if "CC BY-NC-SA" in card.licence else "license: other",
        "library_name: medmamba",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {json.dumps(tag, ensure_ascii=False)}" for tag in tags),  # YAML takes JSON's texts; a bare yes is no text
        "---",
        "",
    ]
    use = f"\n```python\nfrom medmamba import load\n\nnetwork = load('{SCHEME}{repository}')\n```\n"
    return "\n".join(head) + "\n".join(catalogue.section(card)) + use
