"""Files of the authors' code: names and shapes, wrappings, refusals, and class_indices.json."""

import json
import pickle
from functools import partial

import pytest
import torch

from medmamba.checkpoints import Card
from medmamba.errors import CheckpointError
from medmamba.model import VARIANTS, MedMamba, MedMambaConfig
from medmamba.official import (
    config_of,
    convert,
    from_official,
    load_pth,
    our_name,
    read_class_indices,
    to_official,
    variant_of,
)
from medmamba.preprocess import Transform

TENSORS = {"T": 355, "S": 491, "B": 627}


@pytest.fixture
def as_file(tmp_path):
    """Save what a ``.pth`` file holds."""

    def save(content):
        torch.save(content, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return save


def in_official_layout(model):
    """A network's state dict under the authors' names and shapes."""
    state = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "stages":
            stage, kind = parts[1], parts[2]
            rest = ".".join(parts[4:] if kind == "blocks" else parts[3:])
            for ours, theirs in (
                ("norm", "ln_1"),
                ("conv", "conv33conv33conv11"),
                ("ss2d.conv", "self_attention.conv2d"),
                ("ss2d.dt_proj_", "self_attention.dt_projs_"),
                ("ss2d.A_log", "self_attention.A_logs"),
                ("ss2d.D", "self_attention.Ds"),
                ("ss2d", "self_attention"),
            ):
                if kind == "blocks" and rest.startswith(ours):
                    rest = theirs + rest.removeprefix(ours)
                    break
            block = f"blocks.{parts[3]}." if kind == "blocks" else "downsample."
            name = f"layers.{stage}.{block}{rest}"
        name = name.replace("patch_embedding.", "patch_embed.").replace("classifier.", "head.")
        state[name] = tensor.flatten(0, 1) if name.endswith((".A_logs", ".Ds")) else tensor
    return state


@pytest.mark.parametrize("variant", TENSORS)
def test_every_tensor_of_the_layout_has_its_place(official_weights, variant):
    with torch.device("meta"):
        weights = official_weights(*VARIANTS[variant], classes=6)
        expected = MedMamba(MedMambaConfig.variant(variant, 6)).state_dict()
    assert len(weights) == TENSORS[variant]
    tensors = from_official(weights)
    assert {name: t.shape for name, t in tensors.items()} == {name: t.shape for name, t in expected.items()}
    assert variant_of(config_of(tensors)) == variant
    assert config_of(tensors).num_outputs == 6


def test_other_shapes_are_a_custom_variant(official_weights):
    config = config_of(from_official(official_weights(depths=(1, 2, 3, 1), width=32, classes=4, states=8)))
    assert config == MedMambaConfig(depths=(1, 2, 3, 1), width=32, num_outputs=4, d_state=8)
    assert variant_of(config) == "custom"


def test_there_and_back_gives_the_same_logits(tiny_model, as_file):
    model, x = tiny_model(5), torch.randn(2, 3, 64, 64)
    assert torch.equal(load_pth(as_file(in_official_layout(model)))(x), model(x))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_wrappings_of_forks_are_taken_off(official_weights, as_file, prefix, wrapped):
    weights, x = official_weights(), torch.randn(1, 3, 32, 32)
    content = {prefix + name: tensor for name, tensor in weights.items()}
    if wrapped:
        content = {"epoch": 7, "best_acc": 0.5, "model_state_dict": content, "class_indices": {"a": 0}}
    model = load_pth(as_file(content))
    assert not model.training
    assert torch.equal(model(x), load_pth(as_file(weights))(x))


def without(weights, name):
    del weights[name]


def reshaped(weights, name):
    weights[name] = torch.zeros(5, 7)


def extended(weights, name):
    weights["decoder.secret"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without, "layers.0.blocks.0.self_attention.Ds"),
        (without, "layers.2.downsample.norm.bias"),
        (without, "head.bias"),
        (reshaped, "layers.1.blocks.0.self_attention.A_logs"),
        (reshaped, "layers.1.blocks.0.conv33conv33conv11.4.weight"),
    ],
)
def test_what_is_missing_or_of_another_shape_is_named(official_weights, as_file, change, name):
    weights = official_weights()
    change(weights, name)
    with pytest.raises(CheckpointError) as error:
        load_pth(as_file(weights))
    assert name in str(error.value)
    assert our_name(name) not in str(error.value)


def test_what_is_left_over_is_named(official_weights, as_file):
    with pytest.raises(CheckpointError, match=r"unknown decoder\.secret"):
        load_pth(as_file(official_weights() | {"decoder.secret": torch.zeros(1)}))


def test_many_faults_are_counted(official_weights, as_file):
    weights = official_weights() | {f"extra.{i}": torch.zeros(1) for i in range(11)}
    with pytest.raises(CheckpointError, match="and 3 more"):
        load_pth(as_file(weights))


@pytest.mark.parametrize("gone", ["patch_embed.", "layers.3.", "head.", "layers."])
def test_a_network_without_a_part_is_no_medmamba(official_weights, as_file, gone):
    weights = {name: t for name, t in official_weights().items() if not name.startswith(gone)}
    with pytest.raises(CheckpointError, match="not the weights of a MedMamba") as error:
        load_pth(as_file(weights))
    assert "stages." not in str(error.value)
    assert "classifier." not in str(error.value)


def test_a_shape_is_told_as_it_stands_in_the_file(official_weights, as_file):
    weights = official_weights()
    weights["layers.1.blocks.0.self_attention.A_logs"] = torch.zeros(132, 16)
    with pytest.raises(CheckpointError, match=r"A_logs is \(132, 16\) instead of \(128, 16\)"):
        load_pth(as_file(weights))


@pytest.mark.parametrize("variant", TENSORS)
def test_every_name_goes_there_and_back(official_weights, variant):
    with torch.device("meta"):
        weights = official_weights(*VARIANTS[variant])
    assert {name: t.shape for name, t in to_official(from_official(weights)).items()} == {
        name: t.shape for name, t in weights.items()
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_numbers_that_are_not_finite_are_refused(official_weights, as_file, value):
    weights = official_weights()
    weights["head.bias"] = torch.full((3,), value, dtype=torch.float64)
    with pytest.raises(CheckpointError, match="not finite"):
        load_pth(as_file(weights))


@pytest.mark.parametrize("name", ["head.bias", "layers.0.blocks.0.self_attention.A_logs"])
@pytest.mark.parametrize("kind", ["sparse", "quantised", "complex", "a shape"])
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_plain_numbers_is_refused(official_weights, as_file, name, kind):
    weights = official_weights()
    change = {
        "sparse": torch.Tensor.to_sparse,
        "quantised": partial(torch.quantize_per_tensor, scale=0.1, zero_point=0, dtype=torch.qint8),
        "complex": partial(torch.Tensor.to, dtype=torch.complex64),
        "a shape": partial(torch.Tensor.to, device="meta"),
    }[kind]
    weights[name] = change(weights[name])
    with pytest.raises(CheckpointError, match="not plain numbers but sparse, quantised or complex"):
        load_pth(as_file(weights))


class Bomb:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_would_run_code_is_refused_without_running_it(official_weights, as_file, tmp_path):
    exploded = tmp_path / "exploded"
    with pytest.raises(CheckpointError, match="without running code"):
        load_pth(as_file({**official_weights(), "bomb": Bomb(exploded)}))
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(exploded)))
    with pytest.raises(CheckpointError, match="without running code"):
        load_pth(tmp_path / "plain.pth")
    assert not exploded.exists()


@pytest.mark.parametrize(
    "content", [[1, 2], {"a": 1}, {}, {0: torch.zeros(1)}, torch.zeros(3), {"model_state_dict": {}}]
)
def test_other_contents_are_refused(as_file, content):
    with pytest.raises(CheckpointError):
        load_pth(as_file(content))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_files_are_refused(official_weights, as_file):
    path = as_file(official_weights())
    whole = path.read_bytes()
    for damaged in (b"", b"weights", bytes(range(256)), b"\x80\x04.", whole[:1000], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_pth(path)
    with pytest.raises(CheckpointError):
        load_pth(path.with_name("absent.pth"))


@pytest.fixture
def class_indices(tmp_path):
    def read(entries, num_classes):
        path = tmp_path / "class_indices.json"
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries), encoding="utf-8")
        return read_class_indices(path, num_classes)

    return read


def test_class_names_come_in_the_order_of_the_outputs(class_indices):
    assert class_indices({"1": "BCC", "0": "NEV", "2": "ACK"}, 3) == ("NEV", "BCC", "ACK")
    assert class_indices({"BCC": 1, "NEV": 0, "ACK": 2}, 3) == ("NEV", "BCC", "ACK")


def test_a_byte_order_mark_is_no_part_of_the_names(class_indices):
    assert class_indices('\ufeff{"0": "NEV", "1": "BCC"}', 2) == ("NEV", "BCC")


def test_ten_comes_after_two(class_indices):
    entries = {str(i): f"organ {i}" for i in sorted(range(11), key=str)}
    assert class_indices(entries, 11) == tuple(f"organ {i}" for i in range(11))


@pytest.mark.parametrize("inverse", [False, True])
def test_folders_named_by_numbers_keep_their_alphabetical_outputs(class_indices, inverse):
    folders = sorted(map(str, range(11)))  # 0, 1, 10, 2, ...: what ImageFolder makes of OrganMNIST's labels
    entries = {name: i for i, name in enumerate(folders)} if inverse else {str(i): n for i, n in enumerate(folders)}
    assert class_indices(entries, 11) == tuple(folders)


@pytest.mark.parametrize(
    "entries",
    [
        {"0": "a", "1": "b"},
        {"0": "a", "1": "b", "2": "c", "3": "d"},
        {"0": "a", "1": "b", "3": "c"},
        {"1": "a", "2": "b", "3": "c"},
        {"a": 0, "b": 0, "c": 1, "d": 2},
        {"a": 0, "b": "c", "1": 2},
        {"0": ["a"], "1": "b", "2": "c"},
        {"0": float("inf"), "1": "b", "2": "c"},
        {"a": 0, "b": 1, "c": 2.7},
        {"a": 0, "b": True, "c": 2},
        {"0": "\ud800", "1": "b", "2": "c"},
        ["a", "b", "c"],
        {},
        "not json",
    ],
)
def test_indices_that_do_not_name_every_output_are_refused(class_indices, entries):
    with pytest.raises(CheckpointError, match=r"class_indices\.json"):
        class_indices(entries, 3)


@pytest.mark.parametrize("name", ["", " \t", "\u00a0"])
def test_a_class_without_a_name_is_refused(class_indices, name):
    for entries in ({"0": "a", "1": name}, {"a": 0, name: 1}):
        with pytest.raises(CheckpointError, match=r"class_indices\.json has a class without a name"):
            class_indices(entries, 2)


def test_an_absent_file_of_indices_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        read_class_indices(tmp_path / "class_indices.json", 3)


def converted(as_file, weights, names):
    path = as_file(weights)
    indices = path.with_name("class_indices.json")
    indices.write_text(json.dumps(dict(enumerate(names))), encoding="utf-8")
    return convert(path, indices, "theirs")


def test_a_converted_file_has_a_card_that_says_what_is_unknown(official_weights, as_file):
    checkpoint = converted(as_file, official_weights(), ("basal_cell", "naevus", "scar"))
    card = checkpoint.card
    assert (card.name, card.title) == ("theirs", "MedMamba-custom theirs")
    assert [c.label for c in card.layout.tasks[0].classes] == ["basal cell", "naevus", "scar"]
    assert card.transform == Transform(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    for words in ("Not calibrated", "No novelty threshold", "No metrics"):
        assert any(words in limit for limit in card.limits)
    unknown = (card.temperatures, card.novelty, card.metrics, card.prediction_sets, checkpoint.novelty)
    assert unknown == ({}, {}, {}, {}, {})
    assert len(card.sha256) == 64
    assert Card.from_json(card.to_json()) == card


def test_classes_named_by_numbers_keep_their_outputs_and_come_with_a_warning(official_weights, as_file):
    card = converted(as_file, official_weights(classes=11), sorted(map(str, range(11)))).card
    assert card.layout.tasks[0].class_names[:3] == ("0", "1", "10")
    assert card.layout.tasks[0].classes[2].label == "Class 10"
    assert "10 before 2" in card.limits[-1]


def test_classes_that_nobody_could_tell_apart_are_refused(official_weights, as_file):
    with pytest.raises(CheckpointError, match="two outputs the same class"):
        converted(as_file, official_weights(), ("a", "b", "a"))
    with pytest.raises(CheckpointError, match="a single output"):
        converted(as_file, official_weights(classes=1), ("a",))


def test_files_that_do_not_fit_together_are_refused(official_weights, as_file):
    with pytest.raises(CheckpointError, match="names 2 classes; the weights have 3"):
        converted(as_file, official_weights(), ("a", "b"))
