"""The tables of the rooms, and the engine: SQLite in a file of its own, or any database that SQLAlchemy speaks to."""

import os
import stat
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from medmamba.errors import MedMambaError

metadata = MetaData()


def _owner(table: str, **options: Any) -> ForeignKey:
    return ForeignKey(f"{table}.id", ondelete="CASCADE", **options)


rooms = Table(
    "rooms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(8), nullable=False, unique=True),
    Column("teacher", String(64), nullable=False),  # SHA-256 of the teacher's key, as all keys here
    Column("title", String, nullable=False),
    Column("language", String(8), nullable=False),
    Column("question", String, nullable=False),
    Column("task", String, nullable=False),
    Column("classes", JSON, nullable=False),  # [[name, label], ...]
    Column("model", String, nullable=False),
    Column("seconds", Integer),
    Column("names", Boolean, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("position", Integer, nullable=False),
    Column("deadline", Float),
    Column("version", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
)
cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", _owner("rooms"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("token", String(32), nullable=False, unique=True),  # the picture's random name
    Column("picture", LargeBinary, nullable=False),  # PNG
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("truth", String, nullable=False),
    Column("text", String, nullable=False),
    Column("source", String, nullable=False),
    Column("licence", String, nullable=False),
    Column("network", JSON(none_as_null=True)),  # null until it has been asked
    UniqueConstraint("room", "position"),
)
students = Table(
    "students",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", _owner("rooms"), nullable=False),
    Column("key", String(64), nullable=False, unique=True),
    Column("number", Integer, nullable=False),  # in the order of joining
    Column("label", String, nullable=False),
    Column("revision", Integer, nullable=False),  # counts what changes this student's own view
    UniqueConstraint("room", "number"),
)
answers = Table(
    "answers",
    metadata,
    Column("case", _owner("cases"), primary_key=True),
    Column("student", _owner("students"), primary_key=True, index=True),
    Column("choice", String, nullable=False),
    Column("confidence", Integer, nullable=False),
    Column("x", Float),
    Column("y", Float),
)


def default_url() -> str:
    """A file that only this user may read, in the folder for a program's state (XDG Base Directory Specification)."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = state / "medmamba"
    folder.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    return f"sqlite:///{folder / 'rooms.sqlite'}"


def connect(url: str) -> Engine:
    """An engine with all tables in place.

    Raises:
        MedMambaError: the address is none, or there is no database behind it.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, pool_size=8, max_overflow=40, pool_timeout=20)
        if engine.dialect.name == "sqlite":
            _guard_file(parsed.database)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        metadata.create_all(engine)
    except (ArgumentError, NoSuchModuleError, DBAPIError, OSError, ImportError, TypeError):
        raise MedMambaError(
            "The database of the teaching rooms cannot be opened. Check MEDMAMBA_ROOMS: an address such as "
            "sqlite:///rooms.sqlite, in a folder that exists and may be written."
        ) from None
    return engine


def _guard_file(path: str | None) -> None:
    """Makes the file, readable by its owner alone."""
    if not path or path == ":memory:":
        raise MedMambaError("The teaching rooms need a file, or a server: MEDMAMBA_ROOMS may not be in memory.")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, below
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an answer that was acknowledged outlives a power cut, too
        "foreign_keys=ON",
        "secure_delete=ON",  # a deleted picture is overwritten
        "busy_timeout=10000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that will write takes the lock at once: later, it fails when another has written meanwhile."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
