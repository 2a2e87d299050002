"""The benchmark's parts that are not timings: machine facts, interleaving, and the plot of a known table."""

import pytest
import torch

from medmamba import benchmark
from medmamba.cli import main

CPU = torch.device("cpu")


def test_candidates_are_called_in_turn():
    called = []
    timings = benchmark.interleaved({name: lambda name=name: called.append(name) for name in "abc"}, 2, CPU)
    assert "".join(called) == "abc" * 3  # once to warm up
    assert list(timings) == ["a", "b", "c"]
    assert all(milliseconds >= 0 for milliseconds in timings.values())


def test_the_machine_is_named(monkeypatch, tmp_path):
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nmodel name\t: Known Core 9\nmodel name\t: Known Core 9\n")
    monkeypatch.setattr(benchmark, "Path", lambda _: facts)
    assert benchmark.machine(CPU).startswith(f"Known Core 9, {torch.get_num_threads()} threads, ")
    facts.unlink()
    assert "Known Core" not in benchmark.machine(CPU)


def test_the_plot_has_a_line_a_network(tmp_path):
    timings = {f"{name} at {side} px": float(side) for name in ("Ours", "Theirs") for side in (224, 112)}
    benchmark.plot_resolution(timings, "a machine", tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    for text in ("Ours", "Theirs", "112", "224", "a machine"):
        assert f"<!-- {text} -->" in drawn


def test_a_plot_needs_its_section(tmp_path, capsys):
    assert main(["benchmark", "--sections", "scan", "--plot", str(tmp_path / "plot.svg")]) != 0
    assert "add it to --sections" in capsys.readouterr().err


@pytest.mark.parametrize("side", [32, 64])
def test_vit_takes_pictures_of_its_size(side):
    assert benchmark._vit(side)(torch.zeros(1, 3, side, side)).shape == (1, 1000)
