"""Mutated files against the reader: ``python -m medmamba fuzz --n 10000 --seed 1``.

It starts from pydicom's own test files and one made file of every kind, breaks each in a few places, and reads it
through the guarded door. A file may be read or refused. Anything else is a fault of ours: an exception that is no
``ImageError``, a hang (killed after 10 s), or a dead worker. The same seed makes the same files, whatever the machine.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from medmamba.arguments import new_folder, whole_from
from medmamba.errors import ImageError
from medmamba.images import fuzz_seeds, guard
from medmamba.images.formats import packaged
from medmamba.images.guard import Guard, ReaderFault
from medmamba.images.limits import MAX_PIXELS
from medmamba.images.picture import MedicalImage

SECONDS = 115.0
LARGEST_SEED = 330_000
ALIKE = "TINY_ALPHA"  # sixty packaged files that differ in one number
TEXTS = (".txt", ".md", ".json", ".dump")
IMAGE_GROUP = b"\x28\0"  # Rows, Columns, bits, windows, slopes and lookup tables of DICOM
OUTCOMES = ("read", "refused", "exceptions", "hangs", "deaths")
BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xe0\xff\xfe\xff", b"\x01\0\0\0")


def seeds() -> list[bytes]:
    """The whole files that are broken, made ones and packaged ones in equal shares; texts are left out."""
    packages = [
        path.read_bytes()
        for name, path in packaged()
        if ALIKE not in name and path.suffix not in TEXTS and path.stat().st_size <= LARGEST_SEED
    ]
    made = list(fuzz_seeds.pictures().values())
    return packages + made * (len(packages) // len(made))


def mutate(files: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the files, broken in one to four places; half of the places are in its first 2,000 bytes, the headers."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        size = len(data)
        if size < 8:
            break
        at = rng.randrange(min(size, 2000) if rng.random() < 0.5 else size)
        length = rng.choice((1, 2, 4, 16, 128))
        match rng.randrange(9):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.choice(BYTES)
            case 2:
                data[at : at + 4] = rng.choice(NUMBERS)
            case 3:
                data[at : at + length] = rng.randbytes(length)
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length]
            case 6:
                field = data.find(IMAGE_GROUP, at)
                data[field + 8 : field + 10] = rng.randbytes(2)
            case 7:
                other = rng.choice(files)
                start = rng.randrange(max(1, len(other)))
                data[at : at + length] = other[start : start + length]
            case _:
                del data[rng.randrange(size // 2, size) :]
    return bytes(data)


def outcome(reader: Guard, data: bytes, frame: int) -> tuple[str, str]:
    """One of ``OUTCOMES``, and for a fault where it was."""
    try:
        check(reader.decode(data, frame))
    except ReaderFault as fault:
        return {"hang": "hangs", "exception": "exceptions"}.get(fault.kind, "deaths"), fault.where
    except ImageError:
        return "refused", ""
    except Exception as error:
        return "exceptions", type(error).__name__
    return "read", ""


def check(image: MedicalImage) -> None:
    """Raises ``ValueError`` if a picture breaks its own contract."""
    shown = image.display()
    if shown.dtype != np.uint8 or shown.shape != (*image.pixels.shape[:2], 3) or shown.size > 3 * MAX_PIXELS:
        raise ValueError("display")
    if not image.pixels.flags.c_contiguous or not 0 <= image.frame < image.frames:
        raise ValueError("contract")
    if not image.is_colour and image.table().shape != (65536,):
        raise ValueError("table")


def fuzz(n: int, seed: int, seconds: float = SECONDS, keep: Path | None = None) -> tuple[Counter[str], list[str]]:
    """Reads up to ``n`` broken files on two threads, for at most ``seconds``.

    Returns:
        how often each outcome came, and one line for each fault. With ``keep``, the files that caused one are written
        into that folder.
    """
    files, started = seeds(), time.monotonic()
    counts: Counter[str] = Counter()
    faults: list[str] = []
    lock = threading.Lock()
    reader = Guard()

    def one(index: int) -> None:
        if time.monotonic() - started > seconds:
            return
        rng = random.Random(f"{seed}:{index}")
        data = mutate(files, rng)
        result, where = outcome(reader, data, rng.choice((0, 0, 0, 1)))
        with lock:
            counts[result] += 1
            if result in OUTCOMES[2:]:
                faults.append(f"file {index}: {result} {where}".rstrip())
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{index}.bin").write_bytes(data)

    try:
        with ThreadPoolExecutor(guard.WORKERS) as threads:
            list(threads.map(one, range(n)))
    finally:
        reader.close()
    return counts, faults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--n", type=whole_from(0), default=10_000, help="how many broken files to read (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same files (default 1)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="stop after so long (default 115)")
    parser.add_argument("--keep", type=new_folder, help="folder for the files that caused a fault")


def run(args: argparse.Namespace) -> int:
    """Prints the counts; 1 if there was an unexpected exception, a hang or a death."""
    started = time.monotonic()
    counts, faults = fuzz(args.n, args.seed, args.seconds, args.keep)
    for line in faults:
        sys.stdout.write(f"{line}\n")
    done = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES)
    sys.stdout.write(f"{counts.total()} of {args.n} files in {time.monotonic() - started:.0f} s: {done}.\n")
    return int(bool(faults))


def main() -> int:
    """``python -m medmamba.images.fuzz``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
