"""Shared by all tests: small networks, made-up pictures, a checkpoint, and what this machine can run."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medmamba import checkpoints, novelty
from medmamba.checkpoints import Card
from medmamba.model import MedMamba, MedMambaConfig
from medmamba.preprocess import Transform
from medmamba.scan import BACKENDS, why_unavailable
from medmamba.tasks import ClassName, OutputLayout, Task

SHARED_DATA = Path(os.environ.get("MEDMAMBA_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_report_header():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backends = "; ".join(f"{name}: {why_unavailable(name, device) or 'can run'}" for name in BACKENDS)
    return f"scan backends on {device.type}: {backends}"


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and torch sees none")
    if item.get_closest_marker("shared_data") and not SHARED_DATA.is_dir():
        pytest.skip("needs the real pictures; MEDMAMBA_TEST_DATA names their folder")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real pictures; for tests marked ``shared_data``."""
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _same_random_numbers_every_time():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def one_thread():
    """Networks this small only lose by sharing their work, the more so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_task(name, classes=(), modality=None, **fields):
    """A task whose classes are given as "name name ..."."""
    words = {"question": f"Which {name}?", "source": "made up", "licence": "none", "caveat": "none"}
    names = tuple(ClassName(c, c.capitalize()) for c in (classes.split() if classes else ()))
    return Task(name=name, modality=modality or name, classes=names, **words | fields)


def make_recipe(root, tasks, counts, noise):
    """Write pictures that are told apart by colour, and ``recipe.json``; its path.

    tasks: name -> {class: colour}, without classes for one that only the router knows. counts: split -> pictures of a
    class. noise: standard deviation of the values.
    """
    random, entries = np.random.default_rng(0), []
    for task, classes in tasks.items():
        for split, count in counts.items():
            for name, colour in (classes or {"any": (90, 90, 90)}).items():
                folder = root / task / split / name
                folder.mkdir(parents=True)
                for i in range(count):
                    pixels = (np.array(colour) + random.normal(0, noise, (40, 40, 3))).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(folder / f"{i}.png")
        words = dict.fromkeys(["question", "source", "licence", "caveat"], "made up")
        labels = [{"name": name, "label": name} for name in classes]
        entries.append({"name": task, "modality": task, "classes": labels, **words})
    (root / "recipe.json").write_text(json.dumps({"tasks": entries}))
    return root / "recipe.json"


def liven(model):
    """Give a freshly initialised network statistics and logits that differ, so that mistakes show."""
    for name, tensor in model.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(std=0.3)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif name.endswith(".D") or name == "classifier.bias":
            tensor.normal_()
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    return model.eval()


@pytest.fixture(scope="session")
def tasks():
    """Two tasks with classes, one without that only the router knows, and one of a known modality, not for uploads."""
    return (
        make_task("skin", "naevus melanoma keratosis", modality="dermatoscopy"),
        make_task("chest", "clear opaque", modality="X-ray"),
        make_task("retina", modality="OCT"),
        make_task("moles", "flat raised", modality="dermatoscopy", uploads=False),
    )


@pytest.fixture(scope="session")
def tiny_config():
    """One block a stage, sixteen channels."""

    def make(num_outputs=3, **changes):
        return replace(MedMambaConfig(depths=(1, 1, 1, 1), width=16, num_outputs=num_outputs), **changes)

    return make


@pytest.fixture
def tiny_model(tiny_config):
    """A small network in evaluation mode, its weights random and its logits far apart."""

    def make(num_outputs=3, **config):
        return liven(MedMamba(tiny_config(num_outputs, **config)))

    return make


@pytest.fixture
def picture():
    """A made-up RGB picture: smooth colours with some noise, another one for every seed."""

    def make(height=64, width=64, seed=0):
        random = np.random.default_rng(seed)
        rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
        waves = np.sin(random.uniform(2, 9, 3) * rows + random.uniform(2, 9, 3) * columns + random.uniform(0, 6, 3))
        return (127 + 90 * waves + random.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)

    return make


def official_layout(depths, width, classes, states=16):
    """Name -> shape of every tensor in the authors' layout (their released code)."""
    layout = {"patch_embed.proj.weight": (width, 3, 4, 4)}
    layout |= dict.fromkeys(["patch_embed.proj.bias", "patch_embed.norm.weight", "patch_embed.norm.bias"], (width,))
    for i, blocks in enumerate(depths):
        D = width * 2**i
        half, rank = D // 2, -(-D // 32)
        for j in range(blocks):
            block = {"ln_1.weight": (half,), "ln_1.bias": (half,)}
            block |= {
                f"self_attention.{name}": shape
                for name, shape in {
                    "x_proj_weight": (4, rank + 2 * states, D),
                    "dt_projs_weight": (4, D, rank),
                    "dt_projs_bias": (4, D),
                    "A_logs": (4 * D, states),
                    "Ds": (4 * D,),
                    "in_proj.weight": (2 * D, half),
                    "conv2d.weight": (D, 1, 3, 3),
                    "conv2d.bias": (D,),
                    "out_norm.weight": (D,),
                    "out_norm.bias": (D,),
                    "out_proj.weight": (half, D),
                }.items()
            }
            for norm in (0, 2, 5):
                for name in ("weight", "bias", "running_mean", "running_var"):
                    block[f"conv33conv33conv11.{norm}.{name}"] = (half,)
                block[f"conv33conv33conv11.{norm}.num_batches_tracked"] = ()
            for conv, side in ((1, 3), (4, 3), (7, 1)):
                block[f"conv33conv33conv11.{conv}.weight"] = (half, half, side, side)
                block[f"conv33conv33conv11.{conv}.bias"] = (half,)
            layout |= {f"layers.{i}.blocks.{j}.{name}": shape for name, shape in block.items()}
        if i < len(depths) - 1:
            layout[f"layers.{i}.downsample.reduction.weight"] = (2 * D, 4 * D)
            layout |= dict.fromkeys([f"layers.{i}.downsample.norm.{name}" for name in ("weight", "bias")], (4 * D,))
    return layout | {"head.weight": (classes, 8 * width), "head.bias": (classes,)}


def official_tensor(name, shape):
    """Made-up values of a size that a trained network might have."""
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return torch.tensor(7)
    if kind == "running_var":
        return torch.rand(shape) + 0.5
    if kind == "A_logs":
        return torch.arange(1.0, shape[1] + 1).log() + torch.randn(shape) / 10
    if kind == "dt_projs_bias":
        return torch.randn(shape) - 3
    if len(shape) == 1:
        return torch.randn(shape) / 5 + (kind == "weight" or kind == "Ds")
    fan_in = shape[-1] if len(shape) == 3 else torch.Size(shape[1:]).numel()
    return torch.randn(shape) * fan_in**-0.5


@pytest.fixture
def official_weights():
    """A made-up state dict in the authors' layout."""

    def make(depths=(1, 1, 1, 1), width=16, classes=3, states=16):
        return {name: official_tensor(name, s) for name, s in official_layout(depths, width, classes, states).items()}

    return make


def save_checkpoint(folder, layout, size=64, **fields):
    """A small checkpoint with the given layout: random weights, novelty statistics where there is a router."""
    torch.manual_seed(1)
    model = liven(MedMamba(MedMambaConfig((1, 1, 1, 1), 16, layout.num_outputs)))
    routed = len(layout.routed)
    with torch.inference_mode():
        vectors = novelty.pooled(model.pyramid(torch.rand(40, 3, size, size) * 2 - 1))
    card = Card(
        name=folder.name,
        title=f"The {folder.name} checkpoint",
        version="1",
        date="2025-01-31",
        config=model.config,
        transform=Transform(size),
        layout=layout,
        novelty=dict.fromkeys(layout.routed, 50.0),
        **fields,
    )
    statistics = novelty.fit(vectors, np.arange(40) % routed, routed) if routed else {}
    checkpoints.save(folder, card, model, statistics, torch.rand(2, 3, size, size) * 2 - 1)
    return folder


@pytest.fixture(scope="session")
def generalist(tmp_path_factory, tasks):
    """The folder of a small generalist checkpoint. Read only: copy it to change it."""
    return save_checkpoint(
        tmp_path_factory.mktemp("checkpoints") / "generalist",
        OutputLayout.generalist(tasks),
        temperatures={"skin": 2.0, "router": 0.5},
        evidence_scale={"skin": 0.25},
        prediction_sets={"chest": 0.0},
    )


@pytest.fixture(scope="session")
def specialist(tmp_path_factory, tasks):
    """The folder of a small checkpoint with one task and no router."""
    return save_checkpoint(tmp_path_factory.mktemp("checkpoints") / "specialist", OutputLayout(tasks[:1]))


@pytest.fixture(scope="session", autouse=True)
def _no_checkpoints_from_outside():
    os.environ.pop("MEDMAMBA_CHECKPOINTS", None)
