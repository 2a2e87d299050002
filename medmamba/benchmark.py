"""``python -m medmamba benchmark``: the network and its scan timed beside others, interleaved, in one run.

Every figure is the median of interleaved calls, so that what else the machine does falls on all alike; ratios are what
to read. The sections: ``network`` (against the sequential scan, against no scan, against peers), ``scan`` (each stage's
grid, with AVX-512 and without), ``training`` (a step at 112 px), ``resolution`` (112 to 896 px, time and memory),
``saliency`` (an answer with its evidence map) and ``start`` (a new process up to its first answer).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medmamba import onednn, runtimes, ss2d
from medmamba.arguments import new_file, whole_from
from medmamba.checkpoints import Card, Checkpoint
from medmamba.classifier import Classifier
from medmamba.errors import RequestError
from medmamba.inference import InferenceForm
from medmamba.model import MedMamba, MedMambaConfig
from medmamba.preprocess import Transform
from medmamba.replacing import replacing
from medmamba.saliency import evidence_map
from medmamba.scan import cpu, cross_scan, reference
from medmamba.tasks import ClassName, OutputLayout, Task
from medmamba.timing import (
    Timings,
    can_measure_memory,
    in_new_process,
    interleaved,
    machine,
    memory_taken,
    without_avx512,
)

RESOLUTION = "cost against resolution, batch 1"
MEMORY = "memory that a forward pass takes at its peak, batch 1, beside weights and libraries (MB)"
SIDES = (224, 112, 448, 896)  # pixels; the first is what the others are compared with
PLOTS = (".svg", ".png")
CPU = torch.device("cpu")
STAGE_GRIDS = ((56, 96), (28, 192), (14, 384), (7, 768))  # side and scanned channels of MedMamba-T at 224 px


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    parser.add_argument(
        "--rounds", type=whole_from(1), default=9, help="interleaved calls of each (default: %(default)s)"
    )
    parser.add_argument("--threads", type=whole_from(1), default=torch.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=new_file, metavar="OUT", help="write the figures")
    parser.add_argument(
        "--plot", type=new_file, metavar="OUT", help=f"draw the section resolution ({', '.join(PLOTS)})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Time the sections and print a table each.

    Raises:
        RequestError: a CUDA device was asked for and there is none, or a plot without its section, or of another kind.
    """
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("There is no CUDA device here; leave out --device cuda.")
    if arguments.plot and "resolution" not in arguments.sections:
        raise RequestError("The plot shows the section resolution; add it to --sections.")
    if arguments.plot and arguments.plot.suffix not in PLOTS:
        raise RequestError(f"A plot is written as {' or '.join(PLOTS)}; give its file such an ending.")
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    results: dict[str, Any] = {"machine": machine(device)}
    print(results["machine"])
    for section in arguments.sections:
        results[section] = {}
        for title, timings in SECTIONS[section](device, arguments.rounds):
            results[section][title] = timings
            print(f"\n{title}")
            base, unit = next(iter(timings.values())), "MB" if title.endswith("(MB)") else "ms"
            for name, figure in timings.items():
                print(f"  {name:<42} {figure:10.2f} {unit}   {figure / base:8.2f} x")
    if arguments.plot:
        plot_resolution(results["resolution"][RESOLUTION], results["machine"], arguments.plot)
    if arguments.json:
        with replacing(arguments.json) as place:
            place.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


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


def _network(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    model = _tiny(device)
    sequential = MedMamba(model.config, backend="reference").to(device).eval()
    form = InferenceForm(model) if device.type == "cpu" else model
    peers = _peers(device)
    has_bfloat16 = device.type == "cpu" and onednn.MULTIPLIES_BFLOAT16
    rounded = {"MedMamba-T, convolutions in bfloat16": InferenceForm(model, bfloat16=True)} if has_bfloat16 else {}
    with torch.inference_mode():
        picture = torch.randn(1, 3, 224, 224, device=device)

        def without_scan() -> Tensor:
            with (
                patch.object(cpu.InferenceScan, "__call__", lambda _, u, *__: u),
                patch.object(ss2d, "cross_scan", lambda u, *_, **__: u),
            ):
                return form(picture)

        candidates = {
            "MedMamba-T": lambda: form(picture),
            "MedMamba-T, scan replaced by identity": without_scan,
        }
        if form is not model:
            candidates["MedMamba-T, training form"] = lambda: model(picture)
        timings = interleaved(candidates, rounds, device)
        slow = {"MedMamba-T, sequential reference scan": lambda: sequential(picture)}  # it would leave the caches cold
        yield "224 px, batch 1: the scan", timings | interleaved(slow, max(3, rounds // 3), device)
        for batch in (1, 8):
            pictures = torch.randn(batch, 3, 224, 224, device=device)
            named: dict[str, Callable[..., Any]] = {"MedMamba-T": form, **rounded, **peers}
            calls = {name: partial(net, pictures) for name, net in named.items()}
            yield f"224 px, batch {batch}: peers, eager", interleaved(calls, rounds, device)
    if device.type == "cpu":
        there, missing = runtimes.installed()
        if missing:
            print(f"\nNot timed, since they or onnx and onnxscript are not installed: {', '.join(missing)}.")
        for batch in (1, 8) if there else ():
            title = f"224 px, batch {batch}: ResNet-50 in other runtimes, each in a process of its own"
            yield title, {name: runtimes.resnet50_elsewhere(name, batch, rounds) for name in there}


def _scan(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    for side, channels in STAGE_GRIDS:
        timings = {"best backend": time_scan(side, channels, rounds, device=device)}
        if side <= 14:  # not in turns: it would leave the caches cold for a scan that takes a fiftieth of its time
            few = min(rounds, 5)
            timings["sequential reference"] = time_scan(side, channels, few, reference.cross_scan, device)
        if device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512":
            code = (
                f"import torch; torch.set_num_threads({torch.get_num_threads()}); "
                f"from medmamba import benchmark as b; print(b.time_scan({side}, {channels}, {rounds}))"
            )
            timings["the same, AVX-512 switched off"] = in_new_process(code, **without_avx512())
        yield f"scan of a {side} x {side} grid of {channels} channels", timings


def time_scan(
    side: int,
    channels: int,
    rounds: int,
    scan: Callable[..., Tensor] = cross_scan,
    device: torch.device = CPU,
) -> float:
    """Median milliseconds of one grid's scan."""
    with torch.inference_mode():
        return interleaved({"scan": partial(scan, **_scan_inputs(side, channels, device))}, rounds, device)["scan"]


def _training(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    pictures, labels = torch.randn(16, 3, 112, 112, device=device), torch.randint(0, 6, (16,), device=device)

    def step_of(backend: str) -> Callable[[], None]:
        model = MedMamba(MedMambaConfig.variant("T", 6), backend=backend).to(device)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)  # as training does

        def step() -> None:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(pictures), labels).backward()
            optimiser.step()

        return step

    # Not in turns: the sequential scan leaves gigabytes of freed memory, which the next step would have to ask for.
    fused = interleaved({"fused scan": step_of("auto")}, rounds, device)
    sequential = {"autograd through the sequential scan": step_of("reference")}
    yield "training step, 112 px, batch 16", fused | interleaved(sequential, min(rounds, 2), device)


def _resolution(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    model = _tiny(device)
    form = InferenceForm(model) if device.type == "cpu" else model
    with torch.inference_mode():
        pictures = {side: torch.randn(1, 3, side, side, device=device) for side in SIDES}
        candidates = {f"MedMamba-T at {side} px": partial(form, x) for side, x in pictures.items()}
        candidates |= {f"ViT-S/16 at {side} px": partial(_vit(side).to(device), x) for side, x in pictures.items()}
        yield RESOLUTION, interleaved(candidates, min(rounds, 5), device)
    if device.type == "cuda" or can_measure_memory():
        code = "from medmamba import benchmark as b; print(b.memory_of_a_pass({!r}, {}, {!r}))"
        names = [(f"{name} at {side} px", name, side) for name in ("MedMamba-T", "ViT-S/16") for side in SIDES]
        given_back = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc then keeps nothing that was freed
        yield MEMORY, {row: in_new_process(code.format(n, s, device.type), **given_back) for row, n, s in names}


def memory_of_a_pass(network: str, side: int, device: str) -> float:
    """Megabytes that one forward pass takes at its peak."""
    place = torch.device(device)
    model = _tiny(place) if network == "MedMamba-T" else _vit(side).to(place)
    form = InferenceForm(model) if isinstance(model, MedMamba) and device == "cpu" else model
    picture = torch.randn(1, 3, side, side, device=place)
    with torch.inference_mode():
        form(torch.randn(1, 3, 32, 32, device=place) if network == "MedMamba-T" else picture)  # libraries wake up
        return memory_taken(partial(form, picture), place)


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


def _start(device: torch.device, rounds: int) -> Iterator[tuple[str, Timings]]:
    """A process of its own: imports, the shipped weights, the kernels, one answer."""
    code = (
        "import numpy; from medmamba.classifier import Classifier; "
        f"Classifier.load('generalist', {device.type!r}).answer(numpy.zeros((512, 512, 3), numpy.uint8)); "
        "print(0)"
    )

    def start(**environment: str) -> float:
        began = time.perf_counter()
        in_new_process(code, **environment)
        return (time.perf_counter() - began) * 1e3

    start()
    warm, cold = [], []
    for _ in range(min(rounds, 3)):
        warm.append(start())
        with tempfile.TemporaryDirectory() as empty:
            cold.append(start(MEDMAMBA_CACHE=empty))
    timings = {"kernels in the cache": statistics.median(warm), "kernels to be compiled": statistics.median(cold)}
    yield "from the start of a process to its first answer", timings


SECTIONS: dict[str, Callable[[torch.device, int], Iterator[tuple[str, Timings]]]] = {
    "network": _network,
    "scan": _scan,
    "training": _training,
    "resolution": _resolution,
    "saliency": _saliency,
    "start": _start,
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
