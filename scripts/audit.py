"""Known vulnerabilities of what is in requirements.lock: ``python scripts/audit.py`` (pip-audit, advisories of PyPI).

A report, which fails nothing: what is known changes without a change here, and without the network there is nothing to
know. It says of how many packages advisories could be had.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
SECONDS = 10  # for each answer


def summary(report: dict[str, Any]) -> list[str]:
    """Lines of text from pip-audit's JSON: a count, then each vulnerability that is known."""
    packages = report["dependencies"]
    asked = [package for package in packages if "skip_reason" not in package]
    known = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in asked
        for flaw in package["vulns"]
    ]
    return [
        f"Known vulnerabilities: {len(known)}. Advisories could be had for {len(asked)} of {len(packages)} packages.",
        *known,
    ]


def main() -> None:
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command += ["--timeout", str(SECONDS), "--format", "json", "-r", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        lines = summary(json.loads(done.stdout))
    except json.JSONDecodeError:
        lines = [f"No report of known vulnerabilities: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
