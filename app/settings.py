"""What can be set from outside, once, at start: ``MEDMAMBA_*`` variables and one TOML file to a frozen ``Settings``.

A variable is named ``MEDMAMBA_`` and the setting's name in capitals; the file, named by ``MEDMAMBA_SETTINGS`` or
``--settings``, has the setting's name as its key. Variables win over the file, and both over what a Hugging Face Space
is given.
"""

import difflib
import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from medmamba.errors import MedMambaError
from medmamba.images.limits import MAX_BYTES

MEGABYTE = 2**20
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PREFIX, FILE = "MEDMAMBA_", "MEDMAMBA_SETTINGS"
NO_SETTINGS = {FILE, "MEDMAMBA_CHECKPOINTS"}  # variables that are none, though their names are near a setting's
SPACE = {  # on a Hugging Face Space only its proxy reaches the server, and the page stands in a frame
    "host": "0.0.0.0",
    "proxies": "*",
    "frame_ancestors": "https://huggingface.co https://*.hf.space",
}
SPELLINGS = {  # how some settings are written, for the machine and for whoever wrote them otherwise
    "root_path": (r"(/[\w.~-]+)*", "a prefix begins with a slash and ends without one, as /medmamba"),
    "frame_ancestors": (r"[^;\r\n]+", "give sources as in a Content-Security-Policy, without a semicolon"),
    "login_header": (r"[A-Za-z0-9-]*", "a header's name is of letters, digits and hyphens, as X-User"),
}
Words = Annotated[tuple[str, ...], NoDecode]


class SettingsError(MedMambaError):
    """A setting is not usable; the message names it."""


class Settings(BaseSettings):
    """The settings of one server.

    Attributes:
        host, port: where it listens.
        root_path: the prefix under which a reverse proxy offers it, as "/medmamba".
        proxies: addresses or networks of reverse proxies whose forwarded headers are believed; "*" for any.
        hosts: the names that the server goes by; any if there are none and it listens to more than this machine.
        origins: further origins whose pages may call the server.
        frame_ancestors: the CSP value of that name: who may show the page in a frame.
        logins: a file of names and hashed passwords, made by ``python -m app user``; whoever is not in it stays out.
        login_header: the header in which a named proxy tells who has logged in; whoever it does not name stays out.
        checkpoint: the checkpoint shown first; None takes ``generalist``, or, without one, the first that loads.
        upload_mb: the largest file that is taken.
        held_mb: how much the pictures in memory may take together.
        held_seconds: how long an untouched picture stays in memory.
        queue: how many pictures may be under way, from their first byte to their first answer.
        examples: a folder of pictures to try, offered before those of installed packages.
        bfloat16: convolve in bfloat16 on processors with AMX, which makes them faster and changes probabilities by
            less than 0.01; without it all processors answer alike.
        engine: "local" for the networks in this process, "ray" for replicas of Ray Serve.
        ray_address: of a running Ray cluster, as "10.0.0.7:6379"; none starts one on this machine.
        ray_replicas: most replicas; Ray starts as many as there is work for.
        ray_cores, ray_gpus: for each replica; a quarter of a GPU is 0.25.
        rooms: the database of the teaching rooms, as SQLAlchemy writes addresses; "" takes a private SQLite file.
            Several servers share rooms in PostgreSQL: postgresql+psycopg://USER:PASSWORD@HOST/DATABASE.
        room_hours: how long a room lives before it is deleted.
        log: "plain" for faults only, "json" for a line of JSON for each request and fault.
        metrics_port, metrics_host: where Prometheus finds the metrics, apart from the page; port 0 for nowhere.
        shutdown_seconds: how long a server that is told to end waits for the answers under way.
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix=PREFIX, env_ignore_empty=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    root_path: str = ""
    proxies: Words = ()
    hosts: Words = ()
    origins: Words = ()
    frame_ancestors: str = "'none'"
    logins: Path | None = None
    login_header: str = ""
    checkpoint: str | None = None
    upload_mb: int = Field(default=MAX_BYTES // MEGABYTE, ge=1, le=64)
    held_mb: int = Field(default=768, ge=64, le=65536)
    held_seconds: float = Field(default=900.0, gt=0)
    queue: int = Field(default=128, ge=1, le=4096)
    examples: Path | None = None
    bfloat16: bool = True
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
    ray_replicas: int = Field(default=1, ge=1, le=1024)
    ray_cores: float = Field(default=1.0, gt=0)
    ray_gpus: float = Field(default=0.0, ge=0)
    rooms: str = ""
    room_hours: int = Field(default=24, ge=1, le=720)
    log: Literal["plain", "json"] = "plain"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    shutdown_seconds: int = Field(default=30, ge=1, le=600)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of what wins: arguments, variables, the file, a Space's own."""
        file = os.environ.get(FILE) or None
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, Path(file) if file else None),
            InitSettingsSource(settings_cls, SPACE if os.environ.get("SPACE_ID") else {}),
        )

    @classmethod
    def load(cls, file: Path | None = None, **given: Any) -> Self:
        """Reads the variables and the file, if there is one; what is given here goes before both.

        Raises:
            SettingsError: a setting is unknown or not usable, or the file cannot be read.
        """
        if file is not None:
            os.environ[FILE] = str(file)
        if os.environ.get(FILE) and not Path(os.environ[FILE]).is_file():
            raise SettingsError("There is no such settings file. Give the path of a TOML file.")
        cls._refuse_misspelt()
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(_sentence(entry) for entry in error.errors())) from None
        except ValueError as error:  # TOML's own
            raise SettingsError(f"The settings file is not TOML: {error}.") from None

    @classmethod
    def _refuse_misspelt(cls) -> None:
        """A variable that is nearly a setting's would be ignored, and a server meant to ask for logins stand open.

        Others of our prefix are let be: Kubernetes gives every container some of a service that is called medmamba.
        """
        names = [name.upper() for name in cls.model_fields]
        for variable in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in NO_SETTINGS):
            name = variable.removeprefix(PREFIX)
            if name not in names and (nearest := difflib.get_close_matches(name, names, 1, 0.76)):
                raise SettingsError(f"{variable} is no setting. Did you mean {PREFIX}{nearest[0]}?")

    @property
    def upload_bytes(self) -> int:
        """The largest file that is taken."""
        return self.upload_mb * MEGABYTE

    @property
    def held_bytes(self) -> int:
        """How much the pictures in memory may take together."""
        return self.held_mb * MEGABYTE

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that a request may be for; none for any."""
        return self.hosts + LOOPBACK if self.hosts or (self.host in LOOPBACK and not self.proxies) else ()

    @field_validator("proxies", "hosts", "origins", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Words between spaces in a variable, a list in the file."""
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """In small letters, as browsers' are compared."""
        if any(mark in entry for entry in value for mark in "/:*"):
            raise ValueError("a host is a name alone, without scheme, port or wildcard, as page.example")
        return tuple(entry.lower() for entry in value)

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """In small letters, as browsers send them."""
        if not all(re.fullmatch(r"[a-zA-Z][\w+.-]*://[^/\s*]+", entry) for entry in value):
            raise ValueError("an origin is a scheme and a host without a slash behind, as https://page.example")
        return tuple(entry.lower() for entry in value)

    @field_validator(*SPELLINGS)
    @classmethod
    def _spelt(cls, value: str, info: ValidationInfo) -> str:
        pattern, words = SPELLINGS[str(info.field_name)]
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    @field_validator("proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if entry != "*":
                ip_network(entry)
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.login_header and (not self.proxies or "*" in self.proxies):
            raise ValueError("login_header is believed only from named proxies: set proxies to their addresses")
        if self.login_header and self.logins:
            raise ValueError("there are two ways to log in: set either logins or login_header")
        return self


def _sentence(entry: Any) -> str:
    """What pydantic found wrong, with the names that the setting has."""
    name = ".".join(str(part) for part in entry["loc"][:1])
    where = f"{PREFIX}{name.upper()} ({name} in the settings file): " if name else "Settings: "
    return where + str(entry["msg"]).removeprefix("Value error, ") + "."
