import json
import subprocess

import pytest

from scripts import licences


@pytest.mark.parametrize(
    ("licence", "is_fit"),
    [
        ("MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GNU Lesser General Public License v3 or later (LGPLv3+)", True),
        ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU General Public License v2 (GPLv2)", False),
        ("GNU Affero General Public License v3", False),
        ("AGPL-3.0", False),
        ("CC BY-NC 4.0", False),
        ("UNKNOWN", False),
    ],
)
def test_what_apache_code_may_depend_on(licence, is_fit):
    assert licences.judged(licence) is is_fit


@pytest.mark.parametrize(("licence", "status"), [("MIT", 0), ("GPL-3.0-only", 1)])
def test_the_page_is_written_only_where_it_would_be_true(tmp_path, monkeypatch, licence, status):
    listed = json.dumps([{"Name": "Some_Package", "Version": "1.0", "License": licence}])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=listed))
    monkeypatch.setattr(licences, "locked", lambda: ["some-package"])
    monkeypatch.setattr(licences, "PAGE", tmp_path / "licences.md")
    assert licences.main() == status
    assert licences.PAGE.exists() is (status == 0)
