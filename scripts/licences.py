"""Licences of everything in requirements.lock as docs/licences.md: ``python scripts/licences.py``; 1 if one is unfit.

Reads what is installed (``pip install pip-licenses``); NVIDIA's libraries come with torch's CUDA build only.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
FIT = re.compile(
    r"apache|\bmit\b|bsd|isc|python software foundation|psf|mpl|mozilla|hpnd|unlicense|public domain|zlib|cc0|0bsd|"
    r"boost|nvidia|lgpl|lesser general|historical permission",
    re.IGNORECASE,
)
UNFIT = re.compile(r"(?<!lesser )general public|(?<!l)gpl|affero|sspl|non-?commercial", re.IGNORECASE)
LOOKED_UP = {  # where the package's own data says nothing
    "cuda-toolkit": "NVIDIA's, not stated in the package",
}


def locked() -> list[str]:
    """Names in the lock."""
    return re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)


def judged(licence: str) -> bool:
    """Whether code under Apache-2.0 may depend on it."""
    return any(FIT.search(part) and not UNFIT.search(part) for part in re.split(r" OR |;", licence))


def main() -> int:
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    plain = {re.sub(r"[-_.]+", "-", entry["Name"]).lower(): entry for entry in listed}
    rows, unfit, absent = [], [], []
    for name in sorted(locked()):
        entry = plain.get(re.sub(r"[-_.]+", "-", name).lower())
        if entry is None:
            absent.append(name)
            continue
        licence = LOOKED_UP.get(name, " ".join(entry["License"].split()))
        licence = licence if len(licence) < 120 else licence[:117] + "..."
        rows.append(f"| {name} | {entry['Version']} | {licence} |")
        if not judged(licence):
            unfit.append(f"{name} ({licence})")
    print(f"{len(rows)} packages, {len(unfit)} to look at: {', '.join(unfit) or 'none'}")
    if unfit:  # of which the page's words below would not be true
        return 1
    text = [
        "# Licences of what the page needs",
        "",
        "Written by `python scripts/licences.py` from the packages in `requirements.lock`. The code of this repository",
        "is under Apache-2.0, which may depend on all of these; none is under the GPL or the AGPL.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *rows,
        "",
        f"Not installed where this was written: {', '.join(absent) or 'none'}.",
    ]
    PAGE.write_text("\n".join(text) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
