"""Networks by name: of checkpoints and of the authors' files."""

import pytest
import torch

from medmamba import load
from medmamba.errors import CheckpointError


def test_a_checkpoint(specialist):
    assert load(specialist).config.num_outputs == 3


def test_the_authors_file(official_weights, tmp_path):
    torch.save(official_weights(classes=5), tmp_path / "Net.pth")
    network = load(tmp_path / "Net.pth")
    assert not network.training
    assert network(torch.randn(1, 3, 32, 32)).shape == (1, 5)


def test_nothing_of_that_name():
    with pytest.raises(CheckpointError, match="no checkpoint 'nobody'"):
        load("nobody")
