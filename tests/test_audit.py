import subprocess

from scripts import audit


def test_what_is_known_is_told_and_what_could_not_be_asked_is_counted():
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": ""}
    report = {
        "dependencies": [
            {"name": "good", "version": "3.0", "vulns": []},
            {"name": "bad", "version": "1.0", "vulns": [flaw, {**flaw, "id": "PYSEC-2", "fix_versions": []}]},
            {"name": "unknown", "skip_reason": "Dependency not found on PyPI"},
        ]
    }
    assert audit.summary(report) == [
        "Known vulnerabilities: 2. Advisories could be had for 2 of 3 packages.",
        "bad 1.0: PYSEC-1, mended in 1.1, 2.0",
        "bad 1.0: PYSEC-2, mended in none",
    ]


def test_without_pip_audit_it_says_so_and_fails_nothing(monkeypatch, capsys):
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="No module named pip_audit\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    audit.main()
    assert capsys.readouterr().out == "No report of known vulnerabilities: No module named pip_audit\n"
