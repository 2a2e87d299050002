"""Names and passwords: a file with a line ``name:hash`` for each, and ``python -m app user``, which writes such a line.

The hashes are Argon2's own strings. The file is read once, at start.
"""

import argparse
import contextlib
import getpass
import os
import re
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from app.settings import SettingsError
from medmamba.replacing import replacing

NAME = re.compile(r"[\w.@-]{1,64}")
SHORTEST = 10  # characters of a password


class Logins:
    """Who may log in.

    Raises:
        SettingsError: the file cannot be read, or a line of it is no name with a hash.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._hashes = _hashes(file)
        except (OSError, UnicodeDecodeError):
            raise SettingsError(
                "The file of logins cannot be read. Make one with: python -m app user NAME FILE"
            ) from None
        if not self._hashes:
            raise SettingsError("The file of logins has no line. Add one with: python -m app user NAME FILE")
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(os.urandom(16))

    def __call__(self, name: str, password: str) -> bool:
        """Whether this is the password; takes as long for a name that does not exist."""
        try:
            return self._hasher.verify(self._hashes.get(name, self._nobody), password) and name in self._hashes
        except (Argon2Error, InvalidHashError):
            return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="letters, digits and . @ - _")
    parser.add_argument("file", type=Path, help="the file of logins; made if it is not there")


def run(arguments: argparse.Namespace) -> int:
    """Ask for a password and write it, hashed; an earlier one under that name is replaced.

    Raises:
        SettingsError: name, password or file is not usable; the file is as it was.
    """
    if not NAME.fullmatch(arguments.name):
        raise SettingsError("A name has 1 to 64 letters, digits or . @ - _")
    password = os.environ.get("MEDMAMBA_PASSWORD") or _asked()
    if len(password) < SHORTEST:
        raise SettingsError(f"A password has at least {SHORTEST} characters.")
    file: Path = arguments.file.resolve()  # what a link leads to is replaced, not the link
    try:
        hashes = _hashes(file) if file.exists() else {}
        _write(file, hashes | {arguments.name: PasswordHasher().hash(password)})
    except UnicodeDecodeError:
        raise SettingsError("The file is no file of logins: it is not text.") from None
    except OSError as error:
        raise SettingsError(
            f"The file of logins cannot be written: {error.strerror}. Is its folder there, and may you write to it?"
        ) from None
    print(f"{arguments.name} can log in after the server's next start.")
    return 0


def _asked() -> str:
    try:
        password = getpass.getpass()
        if getpass.getpass("Once more: ") != password:
            raise SettingsError("The two passwords differ. Nothing was written.")
    except EOFError:
        raise SettingsError("There is no terminal to ask for a password at. Give it in MEDMAMBA_PASSWORD.") from None
    return password


def _hashes(file: Path) -> dict[str, str]:
    """The hash of each name in a file of logins."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(":")[::2] for line in lines if line.strip()]
    if not all(NAME.fullmatch(name) and hash_.startswith("$argon2") for name, hash_ in pairs):
        raise SettingsError("The file of logins has a line that is not NAME:HASH.")
    return dict(pairs)


def _write(file: Path, hashes: dict[str, str]) -> None:
    """Replace a file of logins; nobody but its owner may read it, or a group that could before."""
    before = file.stat() if file.exists() else None
    with replacing(file) as partial:
        partial.touch(0o600)
        if before:
            with contextlib.suppress(PermissionError, AttributeError):  # root's right alone; Windows has no chown
                os.chown(partial, before.st_uid, before.st_gid)
        partial.chmod(0o600 | (before.st_mode & 0o040 if before else 0))
        partial.write_text("".join(f"{name}:{hash_}\n" for name, hash_ in hashes.items()), encoding="utf-8")
