"""ResNet-50 in runtimes that a user would pick for speed, to time MedMamba beside them.

Each is timed in a process of its own: their threads go on spinning after a call and slow what runs next.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medmamba.timing import in_new_process, interleaved

PACKAGES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}


def installed() -> tuple[list[str], list[str]]:
    """The runtimes that can be timed here, and those that cannot."""
    exports = all(importlib.util.find_spec(package) for package in ("onnx", "onnxscript"))
    there = [name for name, package in PACKAGES.items() if exports and importlib.util.find_spec(package)]
    return there, [name for name in PACKAGES if name not in there]


def resnet50_elsewhere(runtime: str, batch: int, rounds: int) -> float:
    """Median milliseconds of a forward pass at 224 px in another process, with as many threads as torch has here.

    Raises:
        MedMambaError: it failed there.
    """
    arguments = (runtime, batch, rounds, torch.get_num_threads())
    return in_new_process(f"from medmamba import runtimes as r; print(r.time_resnet50{arguments!r})")


def time_resnet50(runtime: str, batch: int, rounds: int, threads: int) -> float:
    """``resnet50_elsewhere`` in this process."""
    from torchvision.models import resnet50

    pictures = torch.randn(batch, 3, 224, 224)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resnet50.onnx"
        torch.onnx.export(resnet50().eval(), (pictures,), file, dynamo=True, verbose=False, external_data=False)
        call = {"ONNX Runtime": in_onnxruntime, "OpenVINO": _openvino}[runtime](file, threads)
        values = pictures.numpy()
        return interleaved({runtime: lambda: call(values)}, rounds, torch.device("cpu"))[runtime]


def in_onnxruntime(file: Path, threads: int) -> Callable[[np.ndarray], Any]:
    """An ONNX file of one input as a call of ONNX Runtime, on the CPU: pictures in, a list of outputs out."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pictures: session.run(None, {name: pictures})


def _openvino(file: Path, threads: int) -> Callable[[np.ndarray], Any]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.compile_model(str(file), "CPU", settings)
    return lambda pictures: model([pictures])
