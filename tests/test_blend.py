"""Blending: known mixtures, the share that validation prefers, and what cannot be mixed."""

import pytest
import torch

from medmamba import blend
from medmamba import model as model_module
from medmamba.blend import mixed
from medmamba.cli import main
from medmamba.errors import CheckpointError
from medmamba.run_folder import read_best
from medmamba.run_settings import TrainConfig
from medmamba.train import phases, train
from tests.conftest import make_recipe

START = {"weight": torch.tensor([0.0, 2.0]), "running_mean": torch.tensor([5.0]), "count": torch.tensor(3)}
END = {"weight": torch.tensor([4.0, 4.0]), "running_mean": torch.tensor([5.0]), "count": torch.tensor(9)}


@pytest.mark.parametrize(("share", "weight"), [(0.0, [0, 2]), (0.25, [1, 2.5]), (1.0, [4, 4])])
def test_a_share_of_the_way(share, weight):
    found = mixed(START, END, share)
    assert found["weight"].tolist() == weight
    assert found["count"] == 9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"running_mean": torch.tensor([6.0])}, "did not start from these weights"),
        ({"weight": torch.zeros(3)}, "not of the same shapes"),
        ({"bias": torch.zeros(3)}, "not of the same shapes"),
    ],
)
def test_networks_that_cannot_be_mixed(change, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        mixed(START | change, END, 0.5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three tiny runs on two colours, two of them from the first with frozen norms; and their recipe."""
    root = tmp_path_factory.mktemp("blend")
    colours = {"eyes": {"red": (200, 40, 40), "blue": (40, 40, 200)}}
    recipe = make_recipe(root, colours, {"train": 6, "val": 6}, noise=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
        options = {"tasks": recipe, "data": root, "size": 32, "variant": "tiny", "batch": 8, "warm_up": 8}
        options |= {"pictures": 32, "average": 0.5, "learning_rate": 3e-3}
        train(TrainConfig(out=root / "first", **options))
        for seed, name in enumerate(("second", "third")):
            further = {"start_from": root / "first" / "best.pt", "norms": "frozen", "seed": seed}
            train(TrainConfig(out=root / name, **further, **options))
    return root


def command(root, run="second", *more, start="first"):
    start = ["--start", str(root / start / "best.pt"), "--tasks", str(root / "recipe.json"), "--data", str(root)]
    return ["blend", str(root / run), *start, "--out", str(root / "mixed"), *more]


def test_the_share_that_validation_prefers_is_kept_and_said(runs, monkeypatch, capsys):
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    means = iter([0.7, 0.9, 0.8])
    monkeypatch.setattr(blend, "validate", lambda *_: {"mean": next(means)})
    assert main(command(runs, "second", "--shares", "0", "0.5", "1")) == 0
    assert "Kept 0.50" in capsys.readouterr().out
    start, end, found = (read_best(runs / name) for name in ("first", "second", "mixed"))
    middle = (start["model"]["classifier.weight"] + end["model"]["classifier.weight"]) / 2
    assert torch.allclose(found["model"]["classifier.weight"], middle)
    assert not torch.equal(start["model"]["classifier.weight"], end["model"]["classifier.weight"])
    first, second = phases(found)
    assert first == phases(start)[-1]
    assert second["settings"].endswith("(blend 0.5)")


def test_two_runs_from_one_start_are_both_on_the_card(runs, monkeypatch):
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    assert main(command(runs, "second", "--shares", "0.5", start="third")) == 0
    second, third, found = (read_best(runs / name) for name in ("second", "third", "mixed"))
    middle = (second["model"]["classifier.weight"] + third["model"]["classifier.weight"]) / 2
    assert torch.allclose(found["model"]["classifier.weight"], middle)
    settings = [phase["settings"] for phase in phases(found)]
    assert len(settings) == 3
    assert "--seed 1" in settings[1]
    assert "--seed" not in settings[2]
    assert settings[2].endswith("(blend 0.5)")
    assert main(command(runs, "second", "--shares", "1", start="third")) == 0
    assert len(phases(read_best(runs / "mixed"))) == 2  # nothing of the other run is in it


def test_two_moments_of_a_run_are_one_run_on_the_card(runs, monkeypatch):
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    last, earlier = runs / "third" / "last.pt", read_best(runs / "third")
    earlier |= {"pictures": 16, "seconds": 0.5}
    torch.save(earlier, runs / "early.pt")
    (runs / "early").mkdir()
    torch.save(earlier, runs / "early" / "best.pt")
    for run, start in (("third", runs / "early.pt"), ("early", last)):
        assert main([*command(runs, run, "--shares", "0.5"), "--start", str(start)]) == 0
        found = phases(read_best(runs / "mixed"))
        assert [phase["pictures"] for phase in found] == [32, 32]
        assert found[1]["settings"].endswith("(blend 0.5)")


@pytest.mark.parametrize("place", ["first", "second", "third", "copy", "begun", "damaged", "blended"])
def test_other_weights_are_not_overwritten_by_a_mixture(runs, tmp_path, capsys, place):
    """Those of the run, of its start and of another run; a copy, one that has no best weights yet, one that is damaged;
    and an earlier mixture that is the start now."""
    best = read_best(runs / "third")
    out = runs / place if (runs / place).is_dir() else tmp_path
    if place == "copy":
        torch.save(best, out / "best.pt")
    elif place == "begun":
        (out / "state.pt").touch()
    elif place == "damaged":
        (out / "best.pt").write_bytes(b"half")
    elif place == "blended":
        torch.save(best | {"blend": 0.5}, out / "best.pt")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    start = ["--start", str(out / "best.pt")] if place == "blended" else []
    assert main([*command(runs), *start, "--out", str(out)]) == 2
    assert "give --out another folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_the_same_blend_goes_into_its_own_place_again(runs, tmp_path, monkeypatch, capsys):
    """After an interruption before its end there is nothing, or a part of a file; after it there is its result."""
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    again = [*command(runs, "second", "--shares", "0.5"), "--out", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "best.pt.partial").write_bytes(b"half")
    for _ in range(2):
        assert main(again) == 0
        assert read_best(tmp_path / "out")["blend"] == 0.5
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["best.pt"]


@pytest.mark.parametrize(
    ("run", "shares", "sentence"), [("first", ["1"], "--norms frozen"), ("second", ["2"], "from 0")]
)
def test_what_is_refused(runs, capsys, run, shares, sentence):
    assert main(command(runs, run, "--shares", *shares)) == 2
    assert sentence in capsys.readouterr().err
