"""A checkpoint as an ONNX file and as a torch.export program: the same logits elsewhere; and torch.compile."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medmamba import checkpoints, cli, export
from medmamba.model import MedMamba

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's exporters


def logits_of(folder, pictures):
    checkpoint = checkpoints.load(folder)
    with torch.inference_mode():
        return checkpoint.model(checkpoint.card.transform.normalise(pictures))


def test_onnx_runtime_gives_the_same_logits(specialist, tmp_path, capsys):
    file = tmp_path / "network.onnx"
    assert cli.main(["export", str(specialist), "--out", str(file)]) == 0
    assert "gives the same logits within" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    card = checkpoints.read_card(specialist)
    for count in (1, 3):
        pictures = export.smooth_pictures(card, count, seed=count)
        found = session.run(["logits"], {"pictures": pictures.numpy()})[0]
        np.testing.assert_allclose(found, logits_of(specialist, pictures).numpy(), atol=export.TOLERANCE)
    metadata = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(metadata["card"])["tasks"][0]["name"] == card.layout.tasks[0].name


def test_a_program_of_torch_export_gives_the_same_logits(specialist, tmp_path):
    file = tmp_path / "network.pt2"
    assert cli.main(["export", str(specialist), "--format", "pt2", "--out", str(file)]) == 0
    pictures = export.smooth_pictures(checkpoints.read_card(specialist), 3)
    found = torch.export.load(file).module()(pictures)
    torch.testing.assert_close(found, logits_of(specialist, pictures), atol=export.TOLERANCE, rtol=0)


def test_a_program_that_cannot_be_written_is_said(specialist, tmp_path, monkeypatch, capsys):
    def full(_, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch.export, "save", full)
    monkeypatch.setattr(export, "program", lambda _: None)
    assert cli.main(["export", str(specialist), "--format", "pt2", "--out", str(tmp_path / "network.pt2")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_onnx_file_of_before(specialist, tmp_path, monkeypatch, capsys):
    class Full:
        model = SimpleNamespace(metadata_props={})

        def save(self, place, external_data):
            Path(place).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "network.onnx").write_bytes(b"whole")
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Full())
    monkeypatch.setattr(export, "program", lambda _: None)
    assert cli.main(["export", str(specialist), "--out", str(tmp_path / "network.onnx")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


@pytest.mark.parametrize("backend", ["reference", "chunked"])
def test_the_reference_form_compiles_without_a_graph_break(tiny_config, backend):
    model = MedMamba(tiny_config(d_state=2), backend=backend).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))
