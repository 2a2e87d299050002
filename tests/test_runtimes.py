"""Which runtimes are timed, and one of them."""

import pytest

from medmamba import runtimes


def test_every_runtime_is_timed_or_named_as_missing(monkeypatch):
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda package: package != "openvino" or None)
    assert runtimes.installed() == (["ONNX Runtime"], ["OpenVINO"])
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda _: None)
    assert runtimes.installed() == ([], ["ONNX Runtime", "OpenVINO"])


def test_a_runtime_that_is_installed_is_timed_in_a_process_of_its_own():
    there, _ = runtimes.installed()
    if not there:
        pytest.skip("neither ONNX Runtime nor OpenVINO is installed")
    assert runtimes.resnet50_elsewhere(there[0], 1, 1) > 0
