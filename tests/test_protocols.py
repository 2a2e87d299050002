"""The paper's settings, and that flags reach the loop."""

import argparse

import pytest
import torch

from medmamba import protocols
from medmamba import train as train_module
from medmamba.errors import RequestError
from medmamba.run_settings import TrainConfig


def config_from(monkeypatch, *flags):
    """The configuration that the command line makes of its flags."""
    made = []
    monkeypatch.setattr(train_module, "train", made.append)
    parser = argparse.ArgumentParser()
    train_module.add_arguments(parser)
    train_module.run(parser.parse_args(["--tasks", "t", "--data", "d", "--out", "o", *flags]))
    return made[0]


@pytest.mark.parametrize("name", protocols.PROTOCOLS)
def test_a_protocol_sets_what_it_names(monkeypatch, name):
    config = config_from(monkeypatch, "--protocol", name)
    assert {key: getattr(config, key) for key in protocols.PROTOCOLS[name]} == protocols.PROTOCOLS[name]
    assert (config.size, config.label_smoothing, config.average) == (224, 0, 0)


def test_flags_go_before_the_protocol(monkeypatch):
    config = config_from(monkeypatch, "--protocol", "paper-other", "--batch", "8")
    assert (config.batch, config.learning_rate) == (8, 1e-4)
    config = config_from(monkeypatch, "--protocol", "paper-other", "--pictures", "1000")
    assert (config.pictures, config.epochs) == (1000, 0), "epochs would be shown instead"
    config = config_from(monkeypatch, "--protocol", "paper-other", "--pictures", "1000", "--epochs", "2")
    assert config.epochs == 2


def test_without_a_protocol_the_defaults_stand(monkeypatch):
    config = config_from(monkeypatch, "--size", "32")
    assert config == TrainConfig(config.tasks, config.data, config.out, size=32)


def test_the_rate_falls_at_epochs_50_and_75_of_100():
    rates = [protocols.share_of_rate("steps", epoch / 100) for epoch in (0, 49, 50, 74, 75, 99)]
    assert rates == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert protocols.share_of_rate("constant", 0.99) == 1


def test_changes_of_the_released_code_stay_within_the_picture():
    pictures = torch.rand(4, 3, 40, 40) / 2 + 0.25
    torch.manual_seed(0)
    changed = protocols.changes("crop-flip", 32)(pictures)
    assert changed.shape == (4, 3, 32, 32)
    assert changed.min() >= 0.2
    assert changed.max() <= 0.8
    assert torch.equal(protocols.changes("none", 40)(pictures), pictures)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: protocols.settings_of("mine"), "no protocol 'mine'; there are: paper-medmnist"),
        (lambda: protocols.share_of_rate("line", 0.5), "no schedule 'line'; there are: cosine"),
        (lambda: protocols.changes("blur", 32), "no augmentation 'blur'"),
    ],
)
def test_what_there_is_not(call, message):
    with pytest.raises(RequestError, match=message):
        call()
