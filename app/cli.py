"""The command line of the page: ``python -m app [COMMAND] ...``; without a command it serves.

As in ``medmamba.cli``, each command lives in the module that does the work, only the chosen one is imported, and this
is the one place that turns a ``MedMambaError`` into a message and an exit code.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from medmamba.errors import MedMambaError

SERVE = "serve"
COMMANDS: dict[str, tuple[str, str]] = {
    SERVE: ("app.serving", "serve the page; this is what happens without a command"),
    "probe": ("app.probe", "check whether a running server is as closed as it should be"),
    "check-space": ("app.check_space", "test what of a Hugging Face Space can be tested without the hub"),
    "user": ("app.logins", "add a name with a password to a file of logins"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 done with failures, 2 not understood or not possible."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] not in [[name] for name in (*COMMANDS, "-h", "--help")]:
        arguments = [SERVE, *arguments]
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if arguments[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    parsed = parser.parse_args(arguments)
    try:
        return importlib.import_module(COMMANDS[parsed.command][0]).run(parsed)
    except MedMambaError as error:
        print(f"medmamba: {error}", file=sys.stderr)
        return 2
