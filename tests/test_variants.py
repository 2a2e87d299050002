"""Networks by name, and what a card keeps of them."""

import json
from dataclasses import asdict

import pytest

from medmamba.errors import RequestError
from medmamba.model import VARIANTS, MedMamba
from medmamba.resnet import SHAPES, ResNet
from medmamba.variants import build, config_from_json, config_of


@pytest.mark.parametrize("name", [*VARIANTS, *SHAPES])
def test_a_card_keeps_what_builds_the_network(name):
    config = config_of(name, 7)
    assert config_from_json(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(("name", "kind"), [("T", MedMamba), ("resnet18", ResNet)])
def test_a_name_leads_to_its_network(name, kind):
    network = build(config_of(name, 7))
    assert isinstance(network, kind)
    assert network.classifier.out_features == 7


def test_an_unknown_name():
    with pytest.raises(RequestError, match="no network 'X'; there are: T, S, B, resnet18, resnet50"):
        config_of("X", 7)


@pytest.mark.parametrize(
    "entry",
    [
        {"network": "vgg11", "num_outputs": 3},
        {"network": "resnet18"},
        {"width": 16},
        *(
            {"depths": [1, 1, 1, 1], "width": 16, "num_outputs": 3} | wrong
            for wrong in (
                {"width": "16"},
                {"width": 15},
                {"depths": "abcd"},
                {"depths": [1, 1, 1]},
                {"depths": [1, 1, 1, 0]},
                {"num_outputs": 0},
                {"d_state": 1.5},
            )
        ),
    ],
)
def test_shapes_that_no_card_has(entry):
    with pytest.raises((KeyError, TypeError, ValueError)):
        config_from_json(entry)
