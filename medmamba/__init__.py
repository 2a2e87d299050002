"""MedMamba (Yue & Li, arXiv 2403.03849): the network with a fast CPU scan, trained weights, and what goes with them.

    from medmamba import Classifier, MedMamba, create, load

These names are imported when they are first asked for, so that ``import medmamba`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medmamba.classifier import Classifier
    from medmamba.model import MedMamba, MedMambaConfig
    from medmamba.network import FeaturePyramid
    from medmamba.pretrained import load
    from medmamba.variants import create

__all__ = ["Classifier", "FeaturePyramid", "MedMamba", "MedMambaConfig", "create", "load"]

_HOMES = {
    "Classifier": "medmamba.classifier",
    "FeaturePyramid": "medmamba.network",
    "MedMamba": "medmamba.model",
    "MedMambaConfig": "medmamba.model",
    "create": "medmamba.variants",
    "load": "medmamba.pretrained",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medmamba' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
