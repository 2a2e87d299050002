"""A short run of the fuzzer, and that it would notice what it looks for."""

import random
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest

from medmamba.errors import ImageError
from medmamba.images import fuzz
from medmamba.images.guard import ReaderFault
from medmamba.images.picture import MedicalImage


def test_a_short_run_finds_no_fault() -> None:
    counts, faults = fuzz.fuzz(400, seed=3, seconds=40)
    assert faults == []
    assert counts["read"] > 0
    assert counts["refused"] > 0


def test_the_same_seed_makes_the_same_files() -> None:
    files = fuzz.seeds()
    first, again, other = (fuzz.mutate(files, random.Random(seed)) for seed in ("1:5", "1:5", "1:6"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ImageError("no"), "refused"), (ReaderFault("hang"), "hangs"), (ReaderFault("death"), "deaths"),
     (ReaderFault("exception"), "exceptions"), (ZeroDivisionError(), "exceptions")],
)  # fmt: skip
def test_every_fault_is_counted(error: Exception, expected: str) -> None:
    class Broken:
        def decode(self, data: bytes, frame: int) -> MedicalImage:
            raise error

    assert fuzz.outcome(Broken(), b"", 0)[0] == expected  # type: ignore[arg-type]


def test_a_picture_that_breaks_its_contract_is_a_fault() -> None:
    class Odd:
        def decode(self, data: bytes, frame: int) -> MedicalImage:
            return MedicalImage(np.zeros((4, 6), np.uint8)[:, ::2])

    assert fuzz.outcome(Odd(), b"", 0) == ("exceptions", "ValueError")  # type: ignore[arg-type]


def test_the_command_ends_with_counts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parser = ArgumentParser()
    fuzz.add_arguments(parser)
    args = parser.parse_args(["--n", "12", "--seed", "4"])
    assert fuzz.run(args) == 0
    assert "12 of 12 files" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "outcome", lambda *_: ("deaths", "spot"))
    keep = Path(args.keep or ".") / "never"
    assert fuzz.run(args) == 1
    assert "12 deaths" in capsys.readouterr().out
    assert not keep.exists()


def test_files_that_cause_a_fault_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "outcome", lambda *_: ("hangs", ""))
    _, faults = fuzz.fuzz(3, seed=1, keep=tmp_path / "kept")
    assert len(faults) == len(list((tmp_path / "kept").iterdir())) == 3
