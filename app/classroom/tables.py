"""The tables of the rooms, and the engine: SQLite in a file of its own, or any database that SQLAlchemy speaks to."""

import os
import sqlite3
import stat
import time
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
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from medmamba.errors import MedMambaError

metadata = MetaData()
# Not every server allows more than a hundred connections, and several of ours share it. All of the pool stay open: one
# beyond its size is closed after use, so that a class that polls at once would start a process of PostgreSQL each time.
POOLS: dict[str, dict[str, Any]] = {
    "sqlite": {"pool_size": 8, "max_overflow": 40, "pool_timeout": 20},
    "postgresql": {"pool_size": 24, "max_overflow": 0, "pool_timeout": 20, "pool_pre_ping": True},
}
PATIENCE = 10.0  # seconds that SQLite waits for another writer
MAKING, OPENING = 6_330_001, 6_330_002  # PostgreSQL's advisory locks: any two numbers that nobody else uses


class Words(TypeDecorator[str]):
    """Text that any database takes: PostgreSQL refuses NUL, and no database takes half of a surrogate pair."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """The value as it is sent."""
        return None if value is None else value.replace("\0", "").encode(errors="replace").decode()


def _owner(table: str, **options: Any) -> ForeignKey:
    return ForeignKey(f"{table}.id", ondelete="CASCADE", **options)


rooms = Table(
    "rooms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", Words(8), nullable=False, unique=True),
    Column("teacher", Words(64), nullable=False),  # SHA-256 of the teacher's key, as all keys here
    Column("title", Words, nullable=False),
    Column("language", Words(8), nullable=False),
    Column("question", Words, nullable=False),
    Column("task", Words, nullable=False),
    Column("classes", JSON, nullable=False),  # [[name, label], ...]
    Column("model", Words, nullable=False),
    Column("seconds", Integer),
    Column("names", Boolean, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("state", Words(8), nullable=False),
    Column("position", Integer, nullable=False),
    Column("deadline", Float),
    Column("version", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
)
# Tables of their own, so that a database from before has them too.
locks = Table(  # the rooms that take no more students
    "locks",
    metadata,
    Column("room", _owner("rooms"), primary_key=True),
)
projectors = Table(  # the keys of projectors on other computers
    "projectors",
    metadata,
    Column("key", Words(64), primary_key=True),
    Column("room", _owner("rooms"), nullable=False, index=True),
)
cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", _owner("rooms"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("token", Words(32), nullable=False, unique=True),  # the picture's random name
    Column("picture", LargeBinary, nullable=False),  # PNG
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("truth", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("licence", Words, nullable=False),
    Column("network", JSON(none_as_null=True)),  # null until it has been asked
    UniqueConstraint("room", "position"),
)
students = Table(
    "students",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", _owner("rooms"), nullable=False),
    Column("key", Words(64), nullable=False, unique=True),
    Column("number", Integer, nullable=False),  # in the order of joining
    Column("label", Words, nullable=False),
    Column("revision", Integer, nullable=False),  # counts what changes this student's own view
    UniqueConstraint("room", "number"),
    sqlite_autoincrement=True,  # whoever joins has another id than one who has left
)
answers = Table(
    "answers",
    metadata,
    Column("case", _owner("cases"), primary_key=True),
    Column("student", _owner("students"), primary_key=True, index=True),
    Column("choice", Words, nullable=False),
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


def connect(url: str = "") -> Engine:
    """An engine with all tables in place. url: "" for the private file.

    Raises:
        MedMambaError: the address is none, or there is no database behind it.
    """
    try:
        parsed = make_url(url or default_url())
        engine = create_engine(parsed, **POOLS.get(parsed.get_backend_name(), {}))
        if engine.dialect.name == "sqlite":
            _guard_file(parsed.database)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        with engine.execution_options(writes=True).begin() as db:
            take_turns(db, MAKING)
            metadata.create_all(db)
    except (ArgumentError, NoSuchModuleError, DBAPIError, OSError, ImportError, TypeError):
        raise MedMambaError(
            "The database of the teaching rooms cannot be opened. Check MEDMAMBA_ROOMS: sqlite:///FILE in a folder "
            "that may be written, or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE of a server that runs."
        ) from None
    return engine


def take_turns(db: Connection, what: int) -> None:
    """Until this transaction ends, nobody else is in one that has called this with the same number.

    SQLite has but one writer at a time anyway.
    """
    if db.dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(what)))


def _guard_file(path: str | None) -> None:
    """Makes the file, readable by its owner alone."""
    if not path or path == ":memory:":
        raise MedMambaError("The teaching rooms need a file, or a server: MEDMAMBA_ROOMS may not be in memory.")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, below
    _write_ahead(connection)
    for pragma in (
        f"busy_timeout={1000 * PATIENCE:.0f}",
        "synchronous=FULL",  # an answer that was acknowledged outlives a power cut, too
        "foreign_keys=ON",
        "secure_delete=ON",  # a deleted picture is overwritten
    ):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Sets the journal's mode. SQLite does not wait by itself here, when others do the same to a file that is new."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that will write takes the lock at once: later, it fails when another has written meanwhile."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
