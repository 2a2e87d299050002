"""``python -m medmamba export``: a checkpoint as one file for ONNX Runtime, or as a program of torch.export.

The exported network takes pictures (batch, 3, size, size), float32 in [0, 1], and gives logits (batch, outputs): it
normalises by itself, so that nobody has to get that right. Its scan is ``scan.chunked``, whose steps any runtime knows.
What the outputs mean, and the temperatures that turn logits into probabilities, stands on the card, which travels in
the ONNX file's metadata under ``card``. Novelty scores and evidence maps stay behind.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional as F

from medmamba import checkpoints, registry, runtimes, timing
from medmamba.arguments import new_file
from medmamba.checkpoints import Card, Checkpoint
from medmamba.classifier import Classifier
from medmamba.errors import RequestError
from medmamba.replacing import replacing

FORMATS = ("onnx", "pt2")
OPSET = 20
ROUNDS = 15  # timed passes of each
TOLERANCE = 1e-4  # logits, absolute


class _FromUnitRange(nn.Module):
    """Normalise, then the network."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.network, self.transform = checkpoint.model, checkpoint.card.transform

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(self.transform.normalise(pictures))


def program(folder: Path) -> ExportedProgram:
    """The checkpoint as a program of torch.export, for batches of any length.

    Raises:
        CheckpointError: the folder is no intact checkpoint.
    """
    checkpoint = checkpoints.load(folder, backend="chunked")
    size = checkpoint.card.transform.size
    example = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.export.export(
            _FromUnitRange(checkpoint).eval(), (example,), dynamic_shapes={"pictures": {0: Dim("batch")}}
        )


def write_onnx(folder: Path, out: Path) -> None:
    """Write the checkpoint as an ONNX file with its card in the metadata.

    Raises:
        RequestError: the packages that write ONNX files are not installed.
    """
    try:
        import onnxscript  # noqa: F401  # torch's exporter needs it, and says so less clearly
    except ImportError as error:
        raise RequestError("ONNX files are written with onnx and onnxscript; pip install onnx onnxscript.") from error
    exported = torch.onnx.export(
        program(folder),
        (),
        input_names=["pictures"],
        output_names=["logits"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert exported
    exported.model.metadata_props["card"] = checkpoints.read_card(folder).to_json()
    with replacing(out) as place:
        exported.save(str(place), external_data=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", help="name or folder")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="(default: %(default)s)")
    parser.add_argument("--out", type=new_file, required=True, metavar="FILE", help="the file to write")


def run(arguments: argparse.Namespace) -> int:
    """Export, then hold an ONNX file to this project's logits where ONNX Runtime is installed.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be used.
        RequestError: it has no card, or the packages that write ONNX files are not installed.
    """
    folder = registry.find_own(arguments.checkpoint)
    if arguments.format == "pt2":
        exported = program(folder)
        with replacing(arguments.out) as place, place.open("wb") as file:
            torch.export.save(exported, file)
        print("Written; torch.export.load reads it.")
        return 0
    write_onnx(folder, arguments.out)
    print("Written. ", end="")
    try:
        import onnxruntime
    except ImportError:
        print("Not compared with ours: onnxruntime is not installed.")
        return 0
    call = runtimes.in_onnxruntime(arguments.out, torch.get_num_threads())
    card = checkpoints.read_card(folder)
    network = Classifier.load(folder, device="cpu").network
    picture = smooth_pictures(card)

    def theirs() -> Tensor:
        return torch.from_numpy(call(picture.numpy())[0])

    with torch.inference_mode():
        ours = partial(network, card.transform.normalise(picture))
        gap = (theirs() - ours()).abs().max().item()
        times = timing.interleaved({"theirs": theirs, "ours": ours}, ROUNDS, torch.device("cpu"))
    verdict = "the same logits" if gap <= TOLERANCE else "OTHER LOGITS THAN OURS: do not use this file. They agree"
    print(
        f"ONNX Runtime {onnxruntime.__version__} gives {verdict} within {gap:.1e}. One picture: "
        f"{times['theirs']:.1f} ms there, {times['ours']:.1f} ms here, on {timing.machine(torch.device('cpu'))}."
    )
    return 0 if gap <= TOLERANCE else 1


def smooth_pictures(card: Card, count: int = 1, seed: int = 0) -> Tensor:
    """Made-up pictures (count, 3, size, size) in [0, 1]."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    size = (card.transform.size, card.transform.size)
    return F.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)
