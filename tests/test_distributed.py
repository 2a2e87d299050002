"""Training in two real processes: the loss curve of one, whatever looks at a whole batch, and a process that dies."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from medmamba import model as model_module
from medmamba import train as train_module
from medmamba.distributed import team
from medmamba.errors import RequestError
from medmamba.run_settings import TrainConfig
from tests.conftest import make_recipe

ROOT = Path(__file__).parents[1]
CLASSES = {"ears": {"red": (200, 40, 40), "blue": (40, 40, 200)}, "eyes": {}}  # eyes have no labels
PROGRAM = """
import sys
from medmamba import cli, model, train
model.VARIANTS["tiny"] = ((1, 1, 1, 1), 16)
train.computes_bfloat16 = lambda device: False
sys.exit(cli.main())
"""  # bfloat16 rounds so coarsely that it would hide what is looked for
OPTIONS = {"variant": "tiny", "size": 32, "batch": 12, "pictures": 96, "validate_every": 12, "warm_up": 0}
OPTIONS |= {"learning_rate": 3e-3, "drop_path": 0.5, "save_seconds": 0.0, "sharpness": 0.02}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A task with classes, and one that only the router knows; and the program that trains a tiny network on them."""
    root = tmp_path_factory.mktemp("data")
    (root / "program.py").write_text(PROGRAM)
    return make_recipe(root, CLASSES, {"train": 9, "val": 3}, noise=40)


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def alone(recipe, tmp_path, monkeypatch, one_thread):
    """The folder of a run in this process, with one thread as the others have, since sums round by their order."""
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    monkeypatch.setattr(train_module, "computes_bfloat16", lambda device: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return train_module.train(TrainConfig(tasks=recipe, data=recipe.parent, out=tmp_path / "alone", **OPTIONS))


@pytest.fixture
def start(recipe, tmp_path):
    """Starts two processes on the same run, each time it is called, and its folder."""
    out, started = tmp_path / "together", []
    options = OPTIONS | {"tasks": recipe, "data": recipe.parent, "out": out}
    given = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    def make():
        program = [*torchrun, str(recipe.parent / "program.py"), "train", *given]
        started.append(subprocess.Popen(program, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True))
        return started[-1], out

    yield make
    for run in started:
        run.kill()
        run.communicate()


def rows(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def curve(folder, column="loss"):
    return [row[column] for row in rows(folder)]


def state(folder):
    return torch.load(folder / "state.pt", weights_only=True)


def test_two_processes_have_the_loss_curve_of_one_even_after_one_of_them_has_died(start, alone):
    run, two = start()
    os.kill(second_process(run, two), signal.SIGKILL)
    run.communicate(timeout=120)
    assert run.returncode != 0
    assert not (two / "metrics.csv").read_text().count("\n96,"), "it was too late"
    run, _ = start()
    _, shown = run.communicate(timeout=120)
    assert run.returncode == 0, shown
    assert [int(row["pictures"]) for row in rows(two)] == list(range(12, 97, 12))
    np.testing.assert_allclose(curve(two), curve(alone), atol=2e-4)
    np.testing.assert_allclose(curve(two, "mean"), curve(alone, "mean"), atol=2e-3)
    apart, alike = state(alone)["model"], state(two)["model"]
    for name in ("classifier.weight", "stages.3.blocks.0.conv.2.running_var", "stages.0.blocks.0.conv.0.running_mean"):
        torch.testing.assert_close(alike[name], apart[name], atol=1e-4, rtol=1e-3)
    assert torch.equal(state(alone)["torch_random"], state(two)["torch_random"])
    assert len(list((two / "squares").iterdir())) == 4


def second_process(run, folder):
    """The number of torchrun's second process, once some steps are done."""
    while not (folder / "metrics.csv").exists() or len(rows(folder)) < 3:
        assert run.poll() is None
        time.sleep(0.05)
    for children in Path(f"/proc/{run.pid}/task").glob("*/children"):
        for number in children.read_text().split():
            if b"\0RANK=1\0" in Path(f"/proc/{number}/environ").read_bytes():
                return int(number)
    raise AssertionError("there is no second process")


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="--batch 3 cannot be shared out evenly among 2 processes"), team(3):
        pass
