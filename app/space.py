"""The page on a Hugging Face Space: what ZeroGPU asks for, and otherwise the page as anywhere else.

A ZeroGPU Space has to have a function that may borrow a GPU, or it does not start. The network answers in less time on
the Space's processors than borrowing takes, so that it stays there; the function is only declared. Without the
library ``spaces``, or on other hardware, nothing of this happens.
"""

import contextlib
import importlib


def announce() -> bool:
    """Declare the function and report the start to ZeroGPU, if this is it; to be called before torch is imported."""
    try:
        spaces = importlib.import_module("spaces")
    except ImportError:
        return False
    spaces.GPU(duration=5)(_borrowed)
    with contextlib.suppress(ImportError, AttributeError):  # only there on ZeroGPU
        importlib.import_module("spaces.zero").startup()
        return True
    return False


def _borrowed() -> str:
    """The GPU's name."""
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""
