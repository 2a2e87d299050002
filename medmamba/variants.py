"""Networks by name: the paper's T, S and B, and those that they are held against."""

from typing import Any

from medmamba import resnet
from medmamba.errors import RequestError
from medmamba.model import VARIANTS, MedMamba, MedMambaConfig
from medmamba.network import Network, NetworkConfig
from medmamba.resnet import ResNet, ResNetConfig

LONG_NAMES = {"tiny": "T", "small": "S", "base": "B"}


def config_of(name: str, num_outputs: int) -> NetworkConfig:
    """The shapes of the network of that name: T, S, B, resnet18 or resnet50.

    Raises:
        RequestError: there is no such network.
    """
    if name in VARIANTS:
        return MedMambaConfig.variant(name, num_outputs)
    if name in resnet.SHAPES:
        return ResNetConfig(name, num_outputs)
    raise RequestError(f"There is no network {name!r}; there are: {', '.join([*VARIANTS, *resnet.SHAPES])}.")


def create(name: str, num_classes: int, drop_path: float = 0.1, backend: str = "auto") -> Network:
    """A network with random weights by name, as timm's ``create_model``: tiny, small, base, resnet18, resnet50.

    ``FeaturePyramid(create(...))`` is what timm calls ``features_only``.

    Raises:
        RequestError: there is no such network.
    """
    return build(config_of(LONG_NAMES.get(name, name), num_classes), drop_path, backend)


def config_from_json(entry: dict[str, Any]) -> NetworkConfig:
    """The shapes that a card holds.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, unknown or of the wrong kind.
    """
    if "network" in entry:
        return ResNetConfig(**entry)
    return MedMambaConfig(**(entry | {"depths": tuple(entry["depths"])}))


def build(config: NetworkConfig, drop_path: float = 0.0, backend: str = "auto") -> Network:
    """The network with random weights; drop path and the scan's backend are MedMamba's alone."""
    if isinstance(config, MedMambaConfig):
        return MedMamba(config, drop_path, backend)
    assert isinstance(config, ResNetConfig)
    return ResNet(config)
