"""The worker: same answers, every failure contained, nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from medmamba import images
from medmamba.errors import ImageError
from medmamba.images import fuzz_seeds
from medmamba.images.guard import Guard, ReaderFault, Worker
from medmamba.images.picture import MedicalImage, Window
from medmamba.images.wire import pack, unpack

ROOT = Path(__file__).parents[2]
SLICE = np.random.default_rng(0).integers(-1000, 3000, (512, 512), np.int16)


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    pool = Guard()
    yield pool
    pool.close()


def workers(guard: Guard) -> set[Worker]:
    return guard._workers


def same(one: MedicalImage, other: MedicalImage) -> bool:
    facts = [name for name in one.__dataclass_fields__ if name != "pixels"]
    return all(getattr(one, name) == getattr(other, name) for name in facts) and np.array_equal(
        one.pixels, other.pixels
    )


def test_every_kind_comes_back_from_the_worker_as_from_here(guard: Guard) -> None:
    for name, data in fuzz_seeds.pictures().items():
        here = images.read(data, guarded=False)
        there = guard.decode(data)
        assert same(here, there), name
        assert there.pixels.flags.c_contiguous
        assert there.pixels.flags.writeable


def test_a_lookup_table_survives_the_wire() -> None:
    window = Window(1, 3, "LUT", lut=(0, 5, 9), lut_first=-1, lut_top=9)
    image = MedicalImage(
        SLICE, window=window, windows=(window, Window(1, 2)), padding=(-9, -9), tags={"Modality": "CT"}
    )
    description, pixels = pack(image)
    assert same(unpack(description, bytearray(pixels)), image)


@pytest.mark.parametrize(
    "description",
    [b"", b"[]", b"{}", b"null", b'{"dtype": "object", "shape": [1, 1]}', b'{"dtype": "uint8", "shape": [9, 9]}'],
)
def test_a_wrong_answer_is_no_picture(description: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        unpack(description, bytearray(4))


def test_a_refusal_crosses_with_its_words(guard: Guard) -> None:
    with pytest.raises(ImageError, match="PDF document") as caught:
        guard.decode(b"%PDF-1.7")
    assert not isinstance(caught.value, ReaderFault)


def test_a_worker_that_died_is_replaced(guard: Guard) -> None:
    for worker in workers(guard):
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
    results = []
    for _ in range(4):
        try:
            results.append(guard.decode(fuzz_seeds.dicom(SLICE)).pixels.shape)
        except ReaderFault as fault:
            results.append(fault.kind)
    assert results[-2:] == [(512, 512), (512, 512)]
    assert all(worker.alive for worker in workers(guard))


def test_a_worker_that_hangs_is_killed_in_time_and_replaced() -> None:
    pool = Guard(workers=1, timeout=2)
    try:
        pool.decode(fuzz_seeds.dicom(SLICE))
        (worker,) = workers(pool)
        os.kill(worker._process.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(ReaderFault) as caught:
            pool.decode(fuzz_seeds.dicom(SLICE))
        assert caught.value.kind == "hang"
        assert time.monotonic() - start < 8
        assert worker not in workers(pool)
        assert pool.decode(fuzz_seeds.dicom(SLICE[:64, :64])).pixels.shape == (64, 64)
    finally:
        pool.close()


def test_a_worker_killed_in_the_middle_of_a_job_costs_that_job_alone() -> None:
    pool = Guard(workers=1, timeout=20)
    try:
        pool.decode(fuzz_seeds.dicom(SLICE))
        (worker,) = workers(pool)
        os.kill(worker._process.pid, signal.SIGSTOP)  # so that the job is surely not done
        with ThreadPoolExecutor(1) as threads:
            job = threads.submit(pool.decode, fuzz_seeds.dicom(SLICE))
            time.sleep(0.3)
            os.kill(worker._process.pid, signal.SIGKILL)
            assert isinstance(fault := job.exception(timeout=10), ReaderFault)
        assert fault.kind == "death"
        assert pool.decode(fuzz_seeds.dicom(SLICE[:64, :64])).pixels.shape == (64, 64)
    finally:
        pool.close()


def test_many_threads_share_two_workers(guard: Guard) -> None:
    frames = [SLICE[: 16 + index, :32] for index in range(24)]
    with ThreadPoolExecutor(12) as threads:
        decoded = list(threads.map(lambda pixels: guard.decode(fuzz_seeds.dicom(pixels)), frames))
    for image, pixels in zip(decoded, frames, strict=True):
        np.testing.assert_array_equal(image.pixels, pixels)
    assert len(workers(guard)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_memory_and_core_dumps_are_limited(guard: Guard) -> None:
    guard.decode(fuzz_seeds.dicom(SLICE))
    for worker in workers(guard):
        limits = Path(f"/proc/{worker._process.pid}/limits").read_text()
        for name in ("Max address space", "Max core file size", "Max file size"):
            line = next(line for line in limits.splitlines() if line.startswith(name))
            assert "unlimited" not in line, line


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_and_its_secrets_are_not_in_the_worker(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDMAMBA_TEST_SECRET", "hunter2")
    pool = Guard(workers=1)
    try:
        pool.decode(fuzz_seeds.dicom(SLICE))
        (worker,) = workers(pool)
        assert b"hunter2" not in Path(f"/proc/{worker._process.pid}/environ").read_bytes()
        maps = Path(f"/proc/{worker._process.pid}/maps").read_text()
        assert "torch" not in maps
        assert "numba" not in maps
    finally:
        pool.close()


def test_the_guard_costs_little(guard: Guard) -> None:
    data = fuzz_seeds.dicom(SLICE)

    def quickest(read: object) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            read(data)  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times)

    guard.decode(data), guard.decode(data)
    extra = quickest(guard.decode) - quickest(lambda data: images.read(data, guarded=False))
    assert extra < 0.060, f"{1000 * extra:.1f} ms over decoding here"


@pytest.mark.parametrize("closed", ["", "import os; os.close(0); os.close(1); os.close(2)"])
def test_it_works_and_ends_whatever_the_program_around_it(tmp_path: Path, closed: str) -> None:
    program = tmp_path / "main.py"
    program.write_text(
        f"{closed}\n"
        "import sys, pathlib, numpy\n"
        "from medmamba import images\nfrom medmamba.images import fuzz_seeds, guard\n"
        "image = images.read(fuzz_seeds.dicom(numpy.ones((8, 8), 'int16')))\n"
        "pids = [worker._process.pid for worker in guard.shared()._workers]\n"
        "pathlib.Path(sys.argv[1]).write_text(f'{image.pixels.sum()} ' + ' '.join(map(str, pids)))\n"
    )
    result = tmp_path / "result"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), str(result)], env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    total, *pids = result.read_text().split()
    assert total == "64"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_interrupted_job_leaves_no_answer_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Guard(workers=1)
    try:
        pool.decode(fuzz_seeds.dicom(SLICE))
        (worker,) = workers(pool)
        monkeypatch.setattr(worker, "_receive", lambda length: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pool.decode(fuzz_seeds.dicom(SLICE))
        assert pool.decode(fuzz_seeds.dicom(SLICE[:8, :9])).pixels.shape == (8, 9)
    finally:
        pool.close()
    with pytest.raises(ReaderFault):
        pool.decode(fuzz_seeds.dicom(SLICE))


def test_closing_while_busy_hangs_nobody() -> None:
    pool = Guard(workers=1, timeout=30)
    pool.decode(fuzz_seeds.dicom(SLICE))
    (worker,) = workers(pool)
    os.kill(worker._process.pid, signal.SIGSTOP)
    faults: list[str] = []

    def job() -> None:
        try:
            pool.decode(fuzz_seeds.dicom(SLICE))
        except ReaderFault as fault:
            faults.append(fault.kind)

    thread = threading.Thread(target=job)
    thread.start()
    time.sleep(0.2)
    pool.close()
    thread.join(10)
    assert faults == ["death"]
    assert not any(worker.alive for worker in workers(pool))
