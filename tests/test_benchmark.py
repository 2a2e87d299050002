"""The benchmark's parts that are not timings of networks."""

import pytest
import torch

from medmamba import benchmark, timing
from medmamba.cli import main


def test_the_plot_has_a_line_a_network(tmp_path):
    timings = {f"{name} at {side} px": float(side) for name in ("Ours", "Theirs") for side in (224, 112)}
    benchmark.plot_resolution(timings, "a machine", tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    for text in ("Ours", "Theirs", "112", "224", "a machine"):
        assert f"<!-- {text} -->" in drawn


def test_a_plot_needs_its_section(tmp_path, capsys):
    assert main(["benchmark", "--sections", "scan", "--plot", str(tmp_path / "plot.svg")]) != 0
    assert "add it to --sections" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["plot", "plot.txt"])
def test_a_plot_needs_an_ending_that_can_be_drawn(tmp_path, capsys, name):
    assert main(["benchmark", "--sections", "resolution", "--plot", str(tmp_path / name)]) == 2
    assert "written as .svg or .png" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rounds", "--threads"])
def test_nothing_is_timed_without_a_round_or_a_thread(option, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "--sections", "scan", option, "0"])
    assert "a whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize("side", [32, 64])
def test_vit_takes_pictures_of_its_size(side):
    assert benchmark._vit(side)(torch.zeros(1, 3, side, side)).shape == (1, 1000)


def test_a_scan_is_timed_without_avx512():
    code = "from medmamba import benchmark as b; print(b.time_scan(4, 16, 1))"
    assert timing.in_new_process(code, **timing.without_avx512()) > 0


def test_a_start_with_kernels_to_compile_takes_longer():
    ((_, timings),) = benchmark._start(torch.device("cpu"), 1)
    warm, cold = timings.values()
    assert warm < cold
