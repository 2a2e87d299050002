"""Names and passwords: a file with a line ``name:hash`` for each, and ``python -m app user``, which writes such a line.

The hashes are Argon2's own strings. The file is read once, at start.
"""

import argparse
import getpass
import os
import re
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from app.settings import SettingsError

NAME = re.compile(r"[\w.@-]{1,64}")
SHORTEST = 10  # characters of a password


class Logins:
    """Who may log in.

    Raises:
        SettingsError: the file cannot be read, or a line of it is no name with a hash.
    """

    def __init__(self, file: Path) -> None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            raise SettingsError(
                "The file of logins cannot be read. Make one with: python -m app user NAME FILE"
            ) from None
        pairs = [line.partition(":")[::2] for line in lines if line.strip()]
        if not pairs or not all(NAME.fullmatch(name) and hash_.startswith("$argon2") for name, hash_ in pairs):
            raise SettingsError("The file of logins has a line that is not NAME:HASH, or none at all.")
        self._hashes = dict(pairs)
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
    """Ask for a password and write it, hashed; an earlier one under that name is replaced."""
    if not NAME.fullmatch(arguments.name):
        raise SettingsError("A name has 1 to 64 letters, digits or . @ - _")
    password = os.environ.get("MEDMAMBA_PASSWORD") or getpass.getpass()
    if len(password) < SHORTEST:
        raise SettingsError(f"A password has at least {SHORTEST} characters.")
    file: Path = arguments.file
    kept = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in kept if line.partition(":")[0] != arguments.name]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in [*kept, f"{arguments.name}:{PasswordHasher().hash(password)}"])
    print(f"{arguments.name} can log in after the server's next start.")
    return 0
