"""A PostgreSQL server of our own, from Debian's package: on a socket in a temporary folder, and gone afterwards."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

NOBODY = "postgres"  # the server does not run as root; Debian's package makes this user


def programs() -> Path | None:
    """Where the server's programs are; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else debian[-1].parent if debian else None


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A running server; its address as SQLAlchemy writes it, with {} for the database's name."""
    place = programs()
    if place is None:
        pytest.skip("needs PostgreSQL's server (Debian's package postgresql)")
    as_user = {"user": NOBODY, "cwd": "/"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="medmamba-postgres-"))
    if as_user:
        shutil.chown(folder, NOBODY)

    def call(program: str, *arguments: str) -> None:
        command = [str(place / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, **as_user)

    data, options = str(folder / "data"), f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    try:
        call("initdb", "-D", data, "-U", "medmamba", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        call("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql+psycopg://medmamba@/{{}}?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def new_database(address: str, name: str) -> str:
    """Makes an empty database on the server; its address."""
    with psycopg.connect(address.format("postgres").replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    return address.format(name)
