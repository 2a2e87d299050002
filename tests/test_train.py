"""Training: a run that learns, starts from others and survives being killed."""

import csv
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medmamba import checkpoints, protocols, run_folder
from medmamba import model as model_module
from medmamba import train as train_module
from medmamba.data import UNLABELLED, Split
from medmamba.errors import CheckpointError, DataError, MedMambaError, RequestError
from medmamba.model import MedMamba
from medmamba.objective import Objective
from medmamba.preprocess import Transform
from medmamba.recipe import layout_of, read_tasks
from medmamba.run_folder import RunFolder, read_best
from medmamba.run_settings import TrainConfig
from medmamba.scan.cpu import known_of
from medmamba.scan.steps import LADDER
from medmamba.tasks import OutputLayout
from medmamba.train import predict, train, validate
from tests.conftest import make_recipe

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = TrainConfig(tasks=None, data=None, out=None)
COLOURS = {
    "ears": {"red": (200, 40, 40), "blue": (40, 40, 200)},
    "eyes": {"green": (40, 200, 40), "grey": (90, 90, 90)},
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe and its pictures: two tasks, two classes each, to be told apart by colour."""
    return make_recipe(tmp_path_factory.mktemp("data"), COLOURS, {"train": 12, "val": 4}, noise=15)


@pytest.fixture
def run(recipe, tmp_path, monkeypatch):
    """Train a tiny network on the recipe; the folder of the run."""
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))

    def make(name="run", **changes):
        options = {"size": 32, "variant": "tiny", "batch": 16, "warm_up": 16, "learning_rate": 3e-3, "pictures": 160}
        options |= {"validate_every": 64, "average": 0.9} | changes
        return train(TrainConfig(**{"tasks": recipe, "data": recipe.parent, "out": tmp_path / name} | options))

    return make


def rows(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def weights(folder, key="model", name="state.pt"):
    return torch.load(folder / name, weights_only=True)[key]


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_learns(run, capfd):
    folder = run(pictures=960, validate_every=192)
    first, *_, last = rows(folder)
    assert float(last["loss"]) < 0.6 * float(first["loss"])
    assert float(last["mean"]) > 0.9
    assert "960/960" in capfd.readouterr().err


def test_a_resnet_learns_by_the_same_loop(run):
    folder = run(variant="resnet18", pictures=480, validate_every=480)
    assert float(rows(folder)[-1]["mean"]) > 0.9
    assert "--variant resnet18" in train_module.phases(torch.load(folder / "best.pt", weights_only=True))[0]["settings"]
    with pytest.raises(CheckpointError, match="do not fit the network"):
        run("other", start_from=folder / "best.pt")


@pytest.mark.parametrize("name", ["paper-medmnist", "released-code"])
def test_a_protocol_trains(run, name):
    settings = protocols.settings_of(name) | {"size": 32, "epochs": 2, "batch": 16}
    folder = run(name, **settings)
    assert [int(row["pictures"]) for row in rows(folder)] == [48, 96]
    last, kept = weights(folder, "model"), weights(folder, "averaged")
    assert torch.equal(last["classifier.weight"], kept["module.classifier.weight"]), "no moving average"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"variant": "resnet17"}, r"no network 'resnet17'; there are: .*T, S, B.*resnet18"),
        ({"optimiser": "sgd"}, "no optimiser 'sgd'; there are: adamw, adam, muon"),
        ({"augment": "blur"}, "no augmentation 'blur'; there are: recipe"),
        ({"emphasis": "noses=1"}, "--emphasis wants task=number with a task of the recipe"),
        ({"mix": "ears=1.5"}, "--mix wants positive numbers, at most 1"),
        ({"start_from": "nowhere.pt"}, r"nowhere.pt is neither a checkpoint's folder nor the best.pt"),
        ({"schedule": "line"}, "--schedule has no setting 'line'; there are: cosine, steps, constant"),
        ({"batch": 0}, "--batch wants a number of at least 1, not 0"),
        ({"epochs": 2, "warm_up": 97}, "--warm-up 97 is longer than the run of 96 pictures"),
        ({"batch": 1}, "leaves batch norms nothing to compare: raise --batch to 2 or --size to 64"),
        ({"batch": 1, "size": 63, "variant": "resnet18"}, "leaves batch norms nothing to compare"),
        ({"batch": 2, "sharpness": 0.1}, "raise --batch to 3 or --size to 64, or take --norms frozen"),
        ({"tasks": {"tasks": []}}, "The recipe has no tasks: describe at least one"),
        ({"tasks": "twice"}, "Two tasks have the same name"),
        ({"tasks": "lost"}, "The router has no output for eyes"),
        ({"data": {"ears": ("train", "val")}}, "no folder for the task eyes"),
        ({"data": {"ears": ("train", "val"), "eyes": ("val",)}}, "tasks without training pictures: eyes. Put some"),
        ({"data": {"ears": ("val",), "eyes": ("val",)}}, "tasks without training pictures: ears, eyes. Put some"),
        ({"data": {"ears": ("train",), "eyes": ("train",)}}, "no validation pictures in the data folder"),
    ],
)
def test_what_cannot_be_is_said_before_any_picture_is_read(run, recipe, tmp_path, monkeypatch, changes, sentence):
    def reading(*_):
        raise AssertionError("pictures are read")

    monkeypatch.setattr(train_module, "load_split", reading)
    if "start_from" in changes:
        changes = {"start_from": tmp_path / changes["start_from"]}
    if "tasks" in changes:
        ears, eyes = json.loads(recipe.read_text())["tasks"]
        made = {"twice": [ears, ears], "lost": [ears, eyes | {"uploads": False}]}.get(str(changes["tasks"]), [])
        changes = {"tasks": tmp_path / "other.json"}
        changes["tasks"].write_text(json.dumps({"tasks": made}))
    if "data" in changes:
        for task, splits in changes["data"].items():
            (tmp_path / "data" / task).mkdir(parents=True)
            for split in splits:
                (tmp_path / "data" / task / split).symlink_to(recipe.parent / task / split)
        changes = {"data": tmp_path / "data"}
    with pytest.raises(MedMambaError, match=sentence):
        run(**changes)
    assert not (tmp_path / "run" / "squares").exists()


def test_a_class_without_training_pictures_is_refused_and_one_without_validation_pictures_is_not(run, recipe, tmp_path):
    for split in ("val", "train"):
        shutil.copytree(recipe.parent / "eyes", tmp_path / split / "eyes")
        for path in (tmp_path / split / "eyes" / split / "grey").iterdir():
            path.unlink()
        (tmp_path / split / "ears").symlink_to(recipe.parent / "ears")
    assert rows(run("first", data=tmp_path / "val", pictures=16))[-1]["eyes AUC"] == "nan"
    with pytest.raises(DataError, match=r"without a picture in train: eyes/grey\. Put some into the data folder"):
        run("second", data=tmp_path / "train")
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    "least", [{"batch": 2}, {"batch": 3, "sharpness": 0.1}, {"batch": 1, "size": 64}, {"batch": 1, "norms": "frozen"}]
)
def test_steps_as_small_as_batch_norms_can_take(run, least):
    """The last batch is as large as the others, also where the run ends within it."""
    start = {"start_from": run("first", pictures=16) / "best.pt"} if "norms" in least else {}
    assert rows(run(pictures=7, warm_up=0, **least, **start))[-1]["loss"] != "nan"


def test_reading_pictures_is_no_training(run, monkeypatch):
    """Seconds on a card are of training, as they were when the pictures were read before anything else."""
    clock = [0.0]
    load = train_module.load_split

    def slow(*given):
        clock[0] += 1000
        return load(*given)

    monkeypatch.setattr(train_module, "load_split", slow)
    monkeypatch.setattr(run_folder, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    folder = run(pictures=16)
    assert clock[0] > 1000
    assert weights(folder, "seconds", "best.pt") == 0


def test_natural_priors_reach_the_loss(run, monkeypatch):
    shifts, start = [], Objective.__init__
    monkeypatch.setattr(Objective, "__init__", lambda self, *given: (shifts.append(given[3]), start(self, *given))[1])
    run("drawn", pictures=16)
    run("natural", pictures=16, priors="natural")
    assert shifts[0] is None
    assert [len(shift) for shift in shifts[1]] == [2, 2]


def test_mixed_pictures_reach_the_loss_with_their_shares(run, monkeypatch):
    shares, call = [], Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda self, *given: (shares.append(given[3]), call(self, *given))[1])
    folder = run(pictures=64, mix="ears=1")
    assert 0.2 < (torch.cat(shares) < 1).float().mean() < 0.8, "one of two tasks is mixed"
    assert "--mix ears=1" in train_module.phases(torch.load(folder / "best.pt", weights_only=True))[0]["settings"]
    with pytest.raises(DataError, match="--mix wants task=number"):
        run("unknown", mix="noses=1")


def test_restyled_pictures_reach_the_network(run, monkeypatch):
    rates = []
    restyle = train_module.restyle
    monkeypatch.setattr(train_module, "restyle", lambda *given: (rates.append(given[2]), restyle(*given))[1])
    folder = run(pictures=64, restyle="eyes=0.5")
    assert all(torch.equal(of_tasks.sort().values, torch.tensor([0.0, 0.5])) for of_tasks in rates)
    assert "--restyle eyes=0.5" in train_module.phases(torch.load(folder / "best.pt", weights_only=True))[0]["settings"]
    with pytest.raises(DataError, match="--restyle wants task=number"):
        run("unknown", restyle="noses=1")


def test_sharp_steps_take_the_gradient_uphill(run, monkeypatch):
    radii, seen, steepest, loss = [], [], train_module.steepest, Objective.__call__
    monkeypatch.setattr(train_module, "steepest", lambda *given: (radii.append(given[1]), steepest(*given))[1])
    monkeypatch.setattr(Objective, "__call__", lambda self, *given: (seen.append(len(given[0])), loss(self, *given))[1])
    whole = run("whole", pictures=96, sharpness=0.05)
    assert radii == [0.05] * 6
    assert seen == [8, 16] * 6, "every other picture, uphill of which all of them are shown"
    assert "--sharpness 0.05" in train_module.phases(torch.load(whole / "best.pt", weights_only=True))[0]["settings"]
    assert not torch.equal(weights(whole)["classifier.weight"], weights(run("flat", pictures=96))["classifier.weight"])
    with pytest.raises(RequestError, match="--sharpness wants a number of at least 0"):
        run("refused", sharpness=-0.1)


def test_a_row_of_metrics_for_every_validation(run):
    folder = run(pictures=160, validate_every=64)
    assert [int(row["pictures"]) for row in rows(folder)] == [64, 128, 160]
    names = [f"{task} {score}" for task in COLOURS for score in ("accuracy", "AUC")]
    assert list(rows(folder)[0]) == ["pictures", "seconds", "loss", "mean", *names, "router accuracy"]


def test_the_same_seed_gives_the_same_weights(run):
    one, other, another = run("one"), run("two"), run("three", seed=1)
    assert_equal_weights(weights(one), weights(other))
    assert not torch.equal(weights(one)["classifier.weight"], weights(another)["classifier.weight"])


@pytest.mark.parametrize("step", [1, 4, 9])
def test_a_run_killed_and_resumed_ends_with_the_same_weights(run, monkeypatch, step):
    whole = run("whole")
    calls, objective = [], Objective.__call__

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == step:
            raise KeyboardInterrupt
        return objective(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "__call__", killed)
        with pytest.raises(KeyboardInterrupt):
            run("killed", save_seconds=0.0)
    resumed = run("killed")
    assert_equal_weights(weights(resumed), weights(whole))
    assert_equal_weights(weights(resumed, "averaged"), weights(whole, "averaged"))
    assert_equal_weights(weights(resumed, name="best.pt"), weights(whole, name="best.pt"))
    for column in ("mean", "loss"):
        assert [row[column] for row in rows(resumed)] == [row[column] for row in rows(whole)]


def test_a_kill_while_saving_leaves_the_state_before(run, monkeypatch):
    whole, calls, save = run("whole"), [], torch.save

    def killed(content, path):
        if path.name == "state.pt.partial":
            calls.append(1)
            if len(calls) == 5:
                path.write_bytes(b"half")
                raise KeyboardInterrupt
        save(content, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run("killed", save_seconds=0.0)
    assert torch.load(whole.with_name("killed") / "state.pt", weights_only=True)["pictures"] == 64
    assert_equal_weights(weights(run("killed")), weights(whole))


def test_the_last_weights_are_kept_beside_the_best(run, monkeypatch):
    means = iter([{"mean": 0.9}, {"mean": 0.5}, {"mean": 0.7}])
    monkeypatch.setattr(train_module, "validate", lambda *_: next(means))
    folder = run(pictures=160, validate_every=64)
    kept = weights(folder, "averaged")
    assert [weights(folder, "pictures", name) for name in ("best.pt", "last.pt")] == [64, 160]
    assert torch.equal(weights(folder, name="last.pt")["classifier.weight"], kept["module.classifier.weight"])


def test_a_finished_run_is_left_alone(run):
    folder = run()
    before = (folder / "state.pt").read_bytes(), rows(folder)
    run()
    assert ((folder / "state.pt").read_bytes(), rows(folder)) == before


def test_a_run_may_start_from_another(run):
    first = run("first")
    second = run("second", start_from=first / "best.pt", pictures=16, learning_rate=0.0)
    start, end = weights(first, name="best.pt"), weights(second)
    assert torch.equal(start["classifier.weight"], end["classifier.weight"])
    behind = train_module.phases(torch.load(second / "best.pt", weights_only=True))
    shown = weights(first, "pictures", "best.pt")  # which validation went best differs between processors
    assert [(phase["size"], phase["pictures"]) for phase in behind] == [(32, shown), (32, 16)]
    assert "--learning-rate 0.0" in behind[1]["settings"]


@pytest.mark.parametrize("norms", ["batch", "frozen"])
def test_frozen_norms_keep_their_statistics_and_learn_their_scale(run, norms):
    first = run("first")
    second = run("second", start_from=first / "best.pt", norms=norms)
    start, end = weights(first, name="best.pt"), weights(second)
    statistics = [name for name in start if name.endswith(("running_mean", "running_var"))]
    assert all(torch.equal(start[name], end[name]) for name in statistics) == (norms == "frozen")
    scales = [name.replace("running_mean", "weight") for name in statistics if name.endswith("running_mean")]
    assert not any(torch.equal(start[name], end[name]) for name in scales)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_tied_decays_are_not_trained_and_free_ones_are(run, optimiser):
    start = weights(run("first"), name="best.pt")
    decays = [name for name in start if name.endswith("A_log")]
    for setting in ("tied", "free"):
        folder = run(setting, start_from=run("first") / "best.pt", decays=setting, optimiser=optimiser)
        for of in ("model", "averaged"):
            end = {name.removeprefix("module."): tensor for name, tensor in weights(folder, of).items()}
            assert all(known_of(-end[name].exp()) == LADDER for name in decays) == (setting == "tied")
    behind = train_module.phases(torch.load(folder.parent / "tied" / "best.pt", weights_only=True))
    assert "--decays tied" in behind[1]["settings"]


@pytest.fixture
def checkpoint(recipe, tmp_path):
    """A checkpoint's folder with random weights for the recipe's tasks, or for other ones."""

    def make(tasks=None, phases=({"size": 16, "pictures": 1000, "seconds": 60, "settings": "--size 16"},)):
        layout = layout_of(tasks or read_tasks(recipe))
        model = MedMamba(model_module.MedMambaConfig.variant("tiny", layout.num_outputs))
        words = {"name": "start", "title": "Start", "version": "1", "date": "2026-11-23"}
        words["training"] = {"phases": list(phases)}
        card = checkpoints.Card(**words, config=model.config, transform=Transform(32), layout=layout)
        checkpoints.save(tmp_path / "start", card, model, {}, torch.zeros(1, 3, 32, 32))
        return tmp_path / "start"

    return make


def test_a_run_may_start_from_a_checkpoint(run, checkpoint):
    folder = checkpoint()
    finished = run(start_from=folder, pictures=16, learning_rate=0.0)
    behind = train_module.phases(torch.load(finished / "best.pt", weights_only=True))
    assert [(phase["size"], phase["pictures"]) for phase in behind] == [(16, 1000), (32, 16)]
    end = weights(finished)
    start = checkpoints.load(folder).model.state_dict()
    trained = [name for name in start if "running_" not in name and "num_batches" not in name]
    assert [name for name in trained if not torch.equal(start[name], end[name])] == []


def test_a_checkpoint_of_other_classes_is_no_start(run, checkpoint, recipe):
    tasks = read_tasks(recipe)
    swapped = (replace(tasks[0], classes=tasks[0].classes[::-1]), *tasks[1:])  # as many outputs, in another order
    with pytest.raises(CheckpointError, match="start has other tasks or classes than the recipe"):
        run(start_from=checkpoint(swapped))


def test_weights_of_other_classes_are_no_start(run):
    best = torch.load((path := run() / "best.pt"), weights_only=True)
    (skin, classes), *rest = best["outputs"][0]
    torch.save(best | {"outputs": (((skin, classes[::-1]), *rest), best["outputs"][1])}, path)
    with pytest.raises(CheckpointError, match="in another order"):
        run("next", start_from=path)


def test_a_run_that_diverges_leaves_the_state_before(run, monkeypatch):
    folder = run(pictures=64)
    before = weights(folder)
    monkeypatch.setattr(Objective, "__call__", lambda self, logits, *_: logits.sum() * torch.nan)
    with pytest.raises(RequestError, match="lower --learning-rate"):
        run(pictures=160, save_seconds=0.0)
    assert_equal_weights(weights(folder), before)


def test_a_loss_that_is_a_number_without_a_slope_leaves_the_state_before(run):
    folder = run(pictures=64)
    before = weights(folder)
    with pytest.raises(RequestError, match="lower --learning-rate"):
        run(pictures=160, save_seconds=0.0, sharpness=1e30)  # only so far uphill there are no numbers
    assert_equal_weights(weights(folder), before)
    assert weights(run(pictures=80), "pictures") == 80


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_weight_decay_may_change_on_the_way(run, optimiser):
    run(pictures=16, optimiser=optimiser, learning_rate=0.0)
    folder = run(pictures=32, optimiser=optimiser, weight_decay=0.5)
    state = weights(folder, "optimiser")
    parts = state.values() if optimiser == "muon" else [state]
    assert {group["weight_decay"] for part in parts for group in part["param_groups"]} == {0.5, 0.0}


@pytest.mark.parametrize("content", [None, b"", b"not torch's"])
def test_a_file_that_is_no_start(run, tmp_path, content):
    if content is not None:
        (tmp_path / "old.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"old.pt is neither a checkpoint's folder nor the best.pt"):
        run(start_from=tmp_path / "old.pt")


def test_a_kill_between_a_row_and_the_save_leaves_one_row(run, monkeypatch):
    record = RunFolder.record

    def killed(self, *arguments):
        record(self, *arguments)
        if self.pictures == 128:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            run(save_seconds=0.0)
    assert [int(row["pictures"]) for row in rows(run())] == [64, 128, 160]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"variant": "resnet18"}, "a run with --variant tiny"),
        ({"optimiser": "adam"}, "a run with --optimiser adamw"),
        ({"size": 40}, r"a run with --size 32\. Go on with these, or name another folder"),
        ({"decays": "tied"}, r"a run with --decays free\. Go on with these"),
        ({"tasks": "swapped.json"}, "a run with other tasks or classes"),
    ],
)
def test_another_run_does_not_go_on_in_the_folder(run, recipe, changes, sentence):
    folder = run(pictures=16)
    before = (folder / "state.pt").read_bytes(), rows(folder)
    if "tasks" in changes:
        entry = json.loads(recipe.read_text())
        entry["tasks"][0]["classes"].reverse()  # as many outputs, in another order
        changes = {"tasks": recipe.with_name(changes["tasks"])}
        changes["tasks"].write_text(json.dumps(entry))
    with pytest.raises(CheckpointError, match=sentence):
        run(**{"pictures": 32} | changes)
    assert ((folder / "state.pt").read_bytes(), rows(folder)) == before


def test_a_run_does_not_go_on_with_other_validation_pictures(run, recipe, tmp_path):
    """Its rows would have other columns, and its best mean would be one of other tasks."""
    shutil.copytree(recipe.parent, tmp_path / "data")
    run(data=tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "ears" / "val")
    with pytest.raises(CheckpointError, match=r"a run with validation pictures of ears, eyes\. Go on with these"):
        run(data=tmp_path / "data", pictures=320)


def test_a_run_that_goes_on_keeps_its_start(run):
    """The card tells of the weights that the run began with, whether or not they are named again."""
    start = run("first", pictures=16) / "best.pt"
    folder = run("second", start_from=start, pictures=16)
    behind, config = (weights(folder, name, "best.pt") for name in ("earlier", "config"))
    assert [phase["pictures"] for phase in behind] == [16]
    for length, again in ((32, {}), (48, {"start_from": start.with_name("last.pt")})):
        run("second", pictures=length, learning_rate=1e-4, **again)
        for name in ("best.pt", "last.pt"):
            assert weights(folder, "earlier", name) == behind
            assert weights(folder, "config", name)["start_from"] == config["start_from"] == str(start)
        assert weights(folder, "about")["earlier"] == behind
    assert weights(folder, "config", "last.pt")["learning_rate"] == "0.0001", "what may change is as it was last"


@pytest.mark.parametrize("there", [True, False])
def test_a_run_does_not_go_on_with_another_start(run, checkpoint, there):
    """As where the checkpoint was published anew since; and a run from nothing never had one."""
    folder = run(pictures=16, **{"start_from": checkpoint()} if there else {})
    before = (folder / "state.pt").read_bytes(), rows(folder)
    for other in (run("first", pictures=16) / "best.pt", *[checkpoint(phases=[])] * (not there)):
        with pytest.raises(CheckpointError, match="did not start from the weights that --start-from names now"):
            run(pictures=32, start_from=other)
    assert ((folder / "state.pt").read_bytes(), rows(folder)) == before


def test_other_lengths_and_states_that_say_nothing_of_their_run_go_on(run):
    folder = run(pictures=16)
    state = torch.load(folder / "state.pt", weights_only=True)
    del state["about"]  # as before it was kept
    torch.save(state, folder / "state.pt")
    assert weights(run(pictures=32), "pictures") == 32
    torch.save(state, folder / "state.pt")
    with pytest.raises(CheckpointError, match="of another network or optimiser"):
        run(variant="resnet18", pictures=32)


def test_a_damaged_state_is_said(run):
    folder = run(pictures=16)
    (folder / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"state\.pt in the folder of --out is damaged"):
        run(pictures=32)


def test_a_full_disk_is_said_and_leaves_the_state_before(run, monkeypatch):
    folder = run(pictures=16)
    before = (folder / "state.pt").read_bytes()

    def full(_, path):
        path.write_bytes(b"half")
        raise RuntimeError("unexpected pos 576 vs 534")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match=r"last\.pt of the run cannot be written"):
        run(pictures=32)
    assert (folder / "state.pt").read_bytes() == before
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("left", ["", "pictures,sec"])
def test_a_kill_while_the_first_row_is_written_does_not_keep_a_run_from_going_on(run, left):
    folder = run(pictures=16)
    (folder / "metrics.csv").write_text(left)
    assert [int(row["pictures"]) for row in rows(run(pictures=80))] == [64, 80]


@pytest.mark.parametrize("content", [None, b"", b"not torch's"])
def test_best_weights_that_cannot_be_read(tmp_path, content):
    if content is not None:
        (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"no readable best\.pt; train it first"):
        read_best(tmp_path)


@pytest.mark.parametrize(
    "gone", [{"model": 3}, {"config": "T"}, {"config": {"size": "32"}}, {"pictures": None}, {"seconds": None}]
)
def test_weights_of_other_programs_are_no_runs(run, tmp_path, gone):
    foreign = {"model": {}, "config": {"variant": "tiny", "size": "32"}, "pictures": 1, "seconds": 1.0} | gone
    torch.save({key: value for key, value in foreign.items() if value is not None}, tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match=r"no readable best\.pt; train it first"):
        read_best(tmp_path)
    with pytest.raises(CheckpointError, match=r"neither a checkpoint's folder nor the best\.pt"):
        run(start_from=tmp_path / "best.pt")


def test_bfloat16_only_where_the_processor_has_it(monkeypatch):
    for has in (False, True):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has)
        assert train_module.computes_bfloat16(torch.device("cpu")) is has
        assert train_module.computes_bfloat16(torch.device("cuda"))


def test_the_best_weights_fit_the_network(run, recipe):
    folder = run()
    layout = layout_of(read_tasks(recipe))
    model = MedMamba(model_module.MedMambaConfig.variant("tiny", layout.num_outputs))
    model.load_state_dict(weights(folder, name="best.pt"))
    assert layout.num_outputs == 6


def test_the_learning_rate_warms_up_and_comes_down():
    config = replace(CONFIG, pictures=1100, warm_up=100, batch=10, learning_rate=1.0)
    rates = [train_module._learning_rate(config, pictures) for pictures in range(0, 1101, 10)]
    assert rates[0] == pytest.approx(10 / 110)
    assert rates[10] == max(rates) == pytest.approx(1)
    assert rates[60] == pytest.approx(0.505)
    assert rates[-1] == pytest.approx(0.01)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_short_run_reaches_its_learning_rate():
    config = TrainConfig(tasks=None, data=None, out=None, epochs=5, batch=10, learning_rate=1.0).of_length(100)
    rates = [train_module._learning_rate(config, pictures) for pictures in range(0, 501, 10)]
    assert rates.index(max(rates)) == 5
    assert rates[5] == pytest.approx(1)


def test_the_average_forgets_the_first_steps_sooner():
    update, average = train_module._moving_average(0.99), [torch.zeros(1)]
    update(average, [torch.ones(1)], 0)
    assert average[0].item() == pytest.approx(0.9)
    late = [torch.zeros(1)]
    update(late, [torch.ones(1)], 10_000)
    assert late[0].item() == pytest.approx(0.01)
    counts = [torch.tensor([3])]
    update(counts, [torch.tensor([4])], 10_000)
    assert counts[0].item() == 4


@pytest.mark.parametrize("training", [True, False])
def test_predictions_do_not_depend_on_the_batch_or_the_mode(tiny_model, picture, training):
    model, squares = tiny_model(5).train(training), np.stack([picture(seed=seed) for seed in range(5)])
    together, by_two = (predict(model, squares, Transform(64), batch) for batch in (64, 2))
    assert together.shape == (5, 5)
    np.testing.assert_allclose(together, by_two, atol=1e-4)
    assert model.training is training


def test_validation_of_known_logits(tasks, monkeypatch):
    layout = OutputLayout.generalist(tasks)
    logits = {  # by number of pictures
        4: [[3, 0, 0], [0, 3, 0], [0, 3, 0], [0, 0, 3]],  # skin: three of four right
        2: [[0, 1], [1, 0]],  # chest: both wrong
        3: [[], [], []],
    }
    routes = {4: [0, 0, 0, 1], 2: [1, 1], 3: [2, 2, 0]}

    def known(model, squares, transform):
        count = len(squares)
        out = np.zeros((count, 10), np.float32)
        out[:, {4: layout.outputs("skin"), 2: layout.outputs("chest"), 3: layout.outputs("retina")}[count]] = logits[
            count
        ]
        out[np.arange(count), 7 + np.array(routes[count])] = 5
        return out

    monkeypatch.setattr(train_module, "predict", known)
    labels = [[0, 0, 1, 2], [0, 1], [UNLABELLED] * 3, []]
    splits = [Split(np.zeros((len(of), 8, 8, 3), np.uint8), np.array(of, dtype=np.int64)) for of in labels]
    scores = validate(None, layout, splits, None)
    assert scores["skin accuracy"] == 0.75
    assert scores["chest accuracy"] == 0
    assert scores["chest AUC"] == 0
    assert scores["router accuracy"] == pytest.approx(7 / 9)
    assert scores["mean"] == pytest.approx(np.mean([v for k, v in scores.items() if k != "mean"]))
    assert not any("moles" in name or "retina" in name for name in scores)
