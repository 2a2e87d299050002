"""Checkpoint folders: what goes in comes out, and every fault is found and named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medmamba import checkpoints
from medmamba.checkpoints import CARD, GOLDEN, WEIGHTS, Card
from medmamba.errors import CheckpointError

BINS = {
    "edges": [0.0, 0.5, 1.0],
    "pictures": [0, 3],
    "confidence": [None, 0.8],
    "accuracy": [None, 1.0],
    "low": [None, 0.3],
    "high": [None, 1.0],
}


@pytest.fixture
def folder(generalist, tmp_path):
    """A copy of the generalist checkpoint that a test may damage."""
    return shutil.copytree(generalist, tmp_path / "generalist")


def edit_card(folder, **changes):
    entry = json.loads((folder / CARD).read_text(encoding="utf-8")) | changes
    (folder / CARD).write_text(json.dumps(entry), encoding="utf-8")


def edit_weights(folder, change):
    """Change the tensors and make the card name the new file."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    edit_card(folder, sha256=checkpoints.hash_of(folder / WEIGHTS))


def test_what_is_saved_is_loaded(tmp_path, tiny_model, generalist):
    card = replace(checkpoints.read_card(generalist), name="again", limits=("a limit",), training={"hours": 1.5})
    model, golden = tiny_model(card.layout.num_outputs), torch.randn(2, 3, 64, 64)
    written = checkpoints.save(tmp_path / "again", card, model, {"centres": torch.randn(3, 4)}, golden)
    loaded = checkpoints.load(tmp_path / "again")
    assert loaded.card == written
    assert loaded.card == replace(card, sha256=checkpoints.hash_of(tmp_path / "again" / WEIGHTS))
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert set(loaded.novelty) == {"centres"}
    for name, tensor in model.state_dict().items():
        halved = tensor.ndim > 1 and not name.endswith(".A_log")
        stored = tensor.half().float() if halved else tensor
        assert torch.equal(loaded.model.state_dict()[name], stored), name
    torch.testing.assert_close(loaded.model(golden), model(golden), atol=0.02, rtol=0.01)


@pytest.mark.parametrize("name", [WEIGHTS, GOLDEN, CARD])
def test_a_crash_while_saving_leaves_the_checkpoint_before(folder, tiny_model, monkeypatch, name):
    """Each file in turn is cut off half written: none of the three has changed then, and nothing lies beside them."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = checkpoints.read_card(folder)
    write = Path.write_bytes

    def crash(path):
        write(path, b"half")
        raise KeyboardInterrupt

    if name == CARD:
        monkeypatch.setattr(Path, "write_text", lambda path, *_, **__: crash(path))
    else:
        monkeypatch.setattr(
            Path, "write_bytes", lambda path, data: crash(path) if name in path.name else write(path, data)
        )
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(folder, card, tiny_model(card.layout.num_outputs), {}, torch.randn(2, 3, 64, 64))
    if name == CARD:
        with pytest.raises(KeyboardInterrupt):
            checkpoints.write_card(folder, replace(card, title="Another"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    checkpoints.load(folder)


def test_whoever_may_read_the_card_may_read_the_weights(tmp_path, tiny_model, generalist):
    card = checkpoints.read_card(generalist)
    golden = torch.randn(1, 3, 64, 64)
    checkpoints.save(tmp_path / "new", card, tiny_model(card.layout.num_outputs), {}, golden)
    assert len({path.stat().st_mode for path in (tmp_path / "new").iterdir()}) == 1


def test_the_golden_logits_are_those_of_the_stored_weights(generalist):
    golden = load_file(generalist / GOLDEN)
    torch.testing.assert_close(checkpoints.load(generalist).model(golden["input"]), golden["logits"])


def test_a_card_survives_json(generalist):
    card = checkpoints.read_card(generalist)
    assert Card.from_json(card.to_json()) == card
    assert card.layout.routed == ("skin", "chest", "retina")
    assert card.temperatures == {"skin": 2.0, "router": 0.5}


@pytest.mark.parametrize("name", [WEIGHTS, GOLDEN, CARD])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        checkpoints.load(folder)


def test_weights_that_may_not_be_read_are_named(folder, monkeypatch):
    def refused(path):
        raise PermissionError(path)

    monkeypatch.setattr(checkpoints, "hash_of", refused)
    with pytest.raises(CheckpointError, match=f"has no readable {WEIGHTS}"):
        checkpoints.load(folder)


@pytest.mark.parametrize("name", [WEIGHTS, GOLDEN])
@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 100])
def test_a_damaged_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    if name == WEIGHTS:
        edit_card(folder, sha256=checkpoints.hash_of(folder / WEIGHTS))
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        checkpoints.load(folder)


def test_a_cut_file_is_found(folder):
    whole = (folder / GOLDEN).read_bytes()
    (folder / GOLDEN).write_bytes(whole[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.load(folder)


def test_weights_of_another_card_are_refused(folder):
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(CheckpointError, match="not the file that its card names"):
        checkpoints.load(folder)


def test_another_network_is_refused_by_its_golden_logits(folder):
    edit_weights(folder, lambda tensors: tensors["classifier.bias"].add_(0.01))
    with pytest.raises(CheckpointError, match=r"other logits than its golden example \(off by 0\.01"):
        checkpoints.load(folder)


def test_logits_that_are_not_numbers_are_refused(folder):
    edit_weights(folder, lambda tensors: tensors["classifier.bias"].fill_(torch.nan))
    with pytest.raises(CheckpointError, match="golden"):
        checkpoints.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda golden: golden.pop("logits"),
        lambda golden: golden.update(more=torch.zeros(1)),
        lambda golden: golden.update(input=golden["input"][:, :1].contiguous()),
        lambda golden: golden.update(input=golden["input"][..., :8].contiguous()),
        lambda golden: golden.update(input=golden["input"].int()),
        lambda golden: golden.update(logits=golden["logits"][:, :1].contiguous()),
        lambda golden: golden.update(logits=torch.cat([golden["logits"]] * 2)),
    ],
)
def test_a_golden_file_of_other_tensors_is_refused(folder, change):
    golden = load_file(folder / GOLDEN)
    change(golden)
    save_file(golden, folder / GOLDEN)
    with pytest.raises(CheckpointError, match=GOLDEN):
        checkpoints.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("stages.1.blocks.0.ss2d.D"), r"missing stages\.1\.blocks\.0\.ss2d\.D"),
        (lambda t: t.update(extra=torch.zeros(1)), "unknown extra"),
        (lambda t: t.update({"classifier.bias": torch.zeros(9)}), r"classifier\.bias is \(9,\) instead of \(10,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, message):
    edit_weights(folder, change)
    with pytest.raises(CheckpointError, match=message):
        checkpoints.load(folder)


@pytest.mark.parametrize("width", [2**60, 10**30])
def test_a_card_of_a_network_beyond_all_memory_is_refused(folder, width):
    edit_card(folder, config={"depths": [1, 1, 1, 1], "width": width, "num_outputs": 10})
    with pytest.raises(CheckpointError, match="beyond all memory; fetch it again"):
        checkpoints.load(folder)


def test_a_card_that_names_other_outputs_is_refused(folder):
    edit_card(folder, routed=["skin", "chest"])
    with pytest.raises(CheckpointError, match="names 9 classes and routes, its network has 10 outputs"):
        checkpoints.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"config": {"depths": [1, 1, 1, 1]}},
        {"config": {"depths": [1, 1, 1, 1], "width": 16, "num_outputs": 10, "height": 3}},
        {"transform": {"size": "large", "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"transform": {"size": 64}},
        {"tasks": [{"name": "skin"}]},
        {"tasks": 7},
        {"tasks": []},
        {"limits": 3},
        {"limits": "One garden."},
        {"not_for": [1]},
        {"name": None},
        {"sha256": 7},
        {"temperatures": None},
        {"temperatures": {"skin": "2"}},
        {"temperatures": {"skin": 0}},
        {"temperatures": {"skin": float("nan")}},
        {"novelty": []},
        {"novelty": {"noses": 1.5}},
        {"evidence_scale": {"skin": None}},
        {"bands": {}},
        {"prediction_sets": 0.5},
        {"priors": {"skin": 0.5}},
        {"metrics": {"skin": None}},
        *(
            {"metrics": {"skin": figures}}
            for figures in (
                {"pictures": "8"},
                {"accuracy": 0.9},
                {"accuracy": {"value": 0.9}},
                {"accuracy": {"value": "0.9", "low": 0.8, "high": 1.0}},
                {"ece": {"value": float("nan"), "low": 0.0, "high": 0.1}},
                {"ece_by_chance": None},
                {"classes": ["naevus"]},
                {"classes": {"naevus": {"sensitivity": 0.5}}},
                {"confusion": [[1, 0], "01"]},
                {"prediction_sets": {"coverage": {"value": None, "low": None, "high": None}, "mean_size": 1.5}},
                {"bands": {"likely": {"right": 0.5}}},
                {"reliability": None},
                {"reliability": BINS | {"pictures": [3]}},
                {"reliability": BINS | {"edges": [0.0, 1.0]}},
                {"reliability": BINS | {"confidence": [None, None]}},
            )
        ),
        {"metrics": {"router": {"accuracy": 0.9}}},
        {"metrics": {"router": {"by_task": {"skin": None}}}},
        {"metrics": {"novelty": {"false_refusals": []}}},
        {"metrics": {"novelty": {"false_refusals": {"by_modality": {"OCT": {}}}}}},
        {"metrics": {"novelty": {"wrong_task_flagged": {"all": {"low": 0.1}}}}},
        {"metrics": {"novelty": {"strangers_refused": {"design": 1.0}}}},
        {"training": "long"},
        {"training": {"seconds": "an hour"}},
        {"routed": "skin"},
        {"routed": ["skin", "noses"]},
        {"transform": {"size": 0, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"transform": {"size": 64.5, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"transform": {"size": 64, "mean": "abc", "std": [1, 1, 1]}},
        {"transform": {"size": 64, "mean": [0, 0, 0], "std": [1, 0, 1]}},
        {"config": {"depths": [1, 1, 1, 1], "width": "16", "num_outputs": 10}},
        {"config": {"depths": [1, 1, 1, 1], "width": -16, "num_outputs": 10}},
        {"config": {"depths": [1, 1, 1], "width": 16, "num_outputs": 10}},
    ],
)
def test_a_card_with_wrong_fields_is_refused(folder, changes):
    edit_card(folder, **changes)
    with pytest.raises(CheckpointError):
        checkpoints.read_card(folder)


def test_figures_of_another_form_are_named(folder):
    edit_card(folder, metrics={"chest": {}, "skin": {"accuracy": 0.9}})
    with pytest.raises(CheckpointError, match=r"cannot be used \(the figures of skin are of the wrong kind\)"):
        checkpoints.read_card(folder)


def test_figures_may_be_missing_or_undefined(folder):
    undefined = {"value": None, "low": None, "high": None}
    skin = {"auc": undefined, "bands": {"likely": {"pictures": 3}}, "reliability": BINS}
    figures = {"skin": skin, "chest": {}, "router": {}, "novelty": {"wrong_task_flagged": {"all": undefined}}}
    edit_card(folder, metrics=figures)
    assert checkpoints.read_card(folder).metrics == figures


@pytest.mark.parametrize("field", ["name", "config", "transform", "tasks", "routed", "version"])
def test_a_card_without_a_field_is_refused_and_the_fields_listed(generalist, field):
    entry = json.loads((generalist / CARD).read_text(encoding="utf-8"))
    del entry[field]
    with pytest.raises(CheckpointError, match="its fields are: name, title, version"):
        Card.from_json(json.dumps(entry))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"card"', "[" * 100_000])
def test_a_card_that_is_no_object_is_refused(text):
    with pytest.raises(CheckpointError):
        Card.from_json(text)


def test_a_card_that_is_no_text_is_refused(folder):
    (folder / CARD).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match=CARD):
        checkpoints.load(folder)


def test_the_list_has_cards_and_faults(generalist, tmp_path):
    shutil.copytree(generalist, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "README.md").write_text("not a folder")
    found = checkpoints.list_checkpoints(tmp_path)
    assert list(found) == ["bad", "good"]
    assert isinstance(found["bad"], CheckpointError)
    assert found["good"] == checkpoints.read_card(generalist)


def test_the_root_can_be_named_from_outside(generalist, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_CHECKPOINTS", str(generalist.parent))
    assert checkpoints.default_root() == generalist.parent
    monkeypatch.delenv("MEDMAMBA_CHECKPOINTS")
    assert checkpoints.default_root().name == "checkpoints"
