"""``python -m medmamba benchmark``: the network and its scan timed beside others, interleaved, in one run.

Every figure is the median of interleaved calls, so that what else the machine does falls on all alike; ratios are what
to read. The sections: ``network`` (against the sequential scan, against no scan, against peers), ``scan`` (each stage's
grid), ``training`` (a step at 112 px), ``resolution`` (112 to 896 px) and ``saliency`` (an answer with its evidence
map).
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medmamba import ss2d
from medmamba.checkpoints import Card, Checkpoint
from medmamba.classifier import Classifier
from medmamba.errors import RequestError
from medmamba.inference import InferenceForm
from medmamba.model import MedMamba, MedMambaConfig
from medmamba.preprocess import Transform
from medmamba.saliency import evidence_map
from medmamba.scan import cpu, cross_scan, reference
from medmamba.tasks import ClassName, OutputLayout, Task

Timings = dict[str, float]  # milliseconds
RESOLUTION = "cost against resolution, batch 1"
STAGE_GRIDS = ((56, 96), (28, 192), (14, 384), (7, 768))  # side and scanned channels of MedMamba-T at 224 px


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved calls of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="draw the section resolution (.svg, .png)")


def run(arguments: argparse.Namespace) -> int:
    """Time the sections and print a table each.

    Raises:
        RequestError: a CUDA device was asked for and there is none, or a plot without its section.
    """
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("There is no CUDA device here; leave out --device cuda.")
    if arguments.plot and "resolution" not in arguments.sections:
        raise RequestError("The plot shows the section resolution; add it to --sections.")
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    results: dict[str, Any] = {"machine": machine(device)}
    print(results["machine"])
    for section in arguments.sections:
        results[section] = {}
        for title, timings in SECTIONS[section](device, arguments.rounds):
            results[section][title] = timings
            print(f"\n{title}")
            base = next(iter(timings.values()))
            for name, milliseconds in timings.items():
                print(f"  {name:<42} {milliseconds:10.2f} ms   {milliseconds / base:8.2f} x")
    if arguments.plot:
        plot_resolution(results["resolution"][RESOLUTION], results["machine"], arguments.plot)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def machine(device: torch.device) -> str:
    """Facts a reader needs to place the figures."""
    processor = torch.cuda.get_device_name() if device.type == "cuda" else _processor()
    return (
        f"{processor}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, "
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    )


def _processor() -> str:
    """The processor's name; Linux keeps it where ``platform`` does not look."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def plot_resolution(timings: Timings, subtitle: str, path: Path) -> None:
    """Draw time against the side of the picture, both logarithmic, a line a network."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for name, milliseconds in timings.items():
        network, side = name.removesuffix(" px").rsplit(" at ", 1)
        lines.setdefault(network, []).append((int(side), milliseconds))
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for network, points in lines.items():
        axes.loglog(*zip(*sorted(points), strict=True), marker="o", label=network)
    sides = sorted({side for points in lines.values() for side, _ in points})
    axes.set_xticks(sides, [str(side) for side in sides], minor=False)
    axes.minorticks_off()
    axes.set(xlabel="side of the picture (pixels)", ylabel="forward pass (ms)")
    axes.set_title(subtitle, fontsize="small")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def interleaved(candidates: Mapping[str, Callable[[], Any]], rounds: int, device: torch.device) -> Timings:
    """Median milliseconds of each candidate; all are called in turn, once to warm up and then ``rounds`` times."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in seconds.items()}


def _network(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    model = _tiny(device)
    sequential = MedMamba(model.config, backend="reference").to(device).eval()
    form = InferenceForm(model) if device.type == "cpu" else model
    peers = _peers(device)
    with torch.inference_mode():
        picture = torch.randn(1, 3, 224, 224, device=device)

        def without_scan() -> Tensor:
            with patch.object(cpu, "cross_scan_from_factors", lambda u, *_: u):
                return form(picture)

        candidates = {
            "MedMamba-T": lambda: form(picture),
            "MedMamba-T, training form": lambda: model(picture),
            "MedMamba-T, scan replaced by identity": without_scan,
            "MedMamba-T, sequential reference scan": lambda: sequential(picture),
        }
        yield "224 px, batch 1: the scan", interleaved(candidates, max(3, rounds // 3), device)
        for batch in (1, 8):
            pictures = torch.randn(batch, 3, 224, 224, device=device)
            named: dict[str, Callable[..., Any]] = {"MedMamba-T": form, **peers}
            calls = {name: partial(net, pictures) for name, net in named.items()}
            yield f"224 px, batch {batch}: peers, eager", interleaved(calls, rounds, device)


def _scan(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    for side, channels in STAGE_GRIDS:
        inputs = _scan_inputs(side, channels, device)
        with torch.inference_mode():
            candidates: dict[str, Callable[[], Any]] = {"best backend": partial(cross_scan, **inputs)}
            if side <= 14:
                candidates["sequential reference"] = partial(reference.cross_scan, **inputs)
            yield f"scan of a {side} x {side} grid of {channels} channels", interleaved(candidates, rounds, device)


def _training(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    pictures, labels = torch.randn(16, 3, 112, 112, device=device), torch.randint(0, 6, (16,), device=device)

    def step_of(backend: str) -> Callable[[], None]:
        model = MedMamba(MedMambaConfig.variant("T", 6), backend=backend).to(device)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step() -> None:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(pictures), labels).backward()
            optimiser.step()

        return step

    candidates = {"fused scan": step_of("auto"), "autograd through the sequential scan": step_of("reference")}
    yield "training step, 112 px, batch 16", interleaved(candidates, min(rounds, 2), device)


def _resolution(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    model = _tiny(device)
    form = InferenceForm(model) if device.type == "cpu" else model
    with torch.inference_mode():
        pictures = {side: torch.randn(1, 3, side, side, device=device) for side in (224, 112, 448, 896)}
        candidates = {f"MedMamba-T at {side} px": partial(form, x) for side, x in pictures.items()}
        candidates |= {f"ViT-S/16 at {side} px": partial(_vit(side).to(device), x) for side, x in pictures.items()}
        yield RESOLUTION, interleaved(candidates, min(rounds, 5), device)


def _saliency(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    task = Task("any", "any", "?", tuple(ClassName(str(i), str(i)) for i in range(6)), "", "", "")
    model = _tiny(device)
    card = Card("any", "any", "0", "", model.config, Transform(224), OutputLayout((task,)))
    classifier = Classifier(Checkpoint(card, model, {}), device.type)
    picture = torch.randint(0, 256, (224, 224, 3), dtype=torch.uint8).numpy()
    tensor = torch.randn(1, 3, 224, 224, device=device)

    def forward() -> None:
        with torch.inference_mode():
            classifier.network.pyramid(tensor)

    candidates = {
        "forward": forward,
        "answer": lambda: classifier.answer(picture),
        "answer and Grad-CAM": lambda: evidence_map(classifier, classifier.answer(picture), "0"),
    }
    yield "answer with its evidence map, 224 px", interleaved(candidates, rounds, device)


SECTIONS: dict[str, Callable[[torch.device, int], Iterator[tuple[str, Timings]]]] = {
    "network": _network,
    "scan": _scan,
    "training": _training,
    "resolution": _resolution,
    "saliency": _saliency,
}


def _tiny(device: torch.device) -> MedMamba:
    return MedMamba(MedMambaConfig.variant("T", 6), drop_path=0.0).to(device).eval().requires_grad_(False)


def _peers(device: torch.device) -> dict[str, nn.Module]:
    from torchvision import models

    peers = {
        "ResNet-50": models.resnet50(),
        "Swin-T": models.swin_t(),
        "ConvNeXt-T": models.convnext_tiny(),
        "ViT-S/16": _vit(224),
    }
    return {name: net.to(device).eval().requires_grad_(False) for name, net in peers.items()}


def _vit(side: int) -> nn.Module:
    """ViT-S/16 for pictures of one size."""
    from torchvision.models import VisionTransformer

    small = VisionTransformer(side, patch_size=16, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536)
    return small.eval().requires_grad_(False)


def _scan_inputs(side: int, channels: int, device: torch.device) -> dict[str, Any]:
    k, n = ss2d.DIRECTIONS, 16

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device)

    return {
        "u": normal(1, side, side, channels),
        "delta": normal(k, 1, side, side, channels).permute(1, 2, 3, 0, 4),
        "A": -normal(k, channels, n).exp(),
        "B": normal(1, side, side, k, n),
        "C": normal(1, side, side, k, n),
        "D": normal(k, channels),
        "delta_bias": normal(k, channels),
    }
