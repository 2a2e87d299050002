"""``python -m app probe URL``: is a running server as closed as it should be? A line for each check, then "N of N"."""

import argparse
import getpass
import os
import re
from collections.abc import Callable

import httpx

from app.probe_checks import CHECKS, Fault, Site
from medmamba.errors import MedMambaError

HEADER = re.compile(r"[\w.-]+:[ -~]*", re.ASCII)


class ProbeError(MedMambaError):
    """The server cannot be probed at all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("url", help="the page's address, with the prefix of a reverse proxy if there is one")
    parser.add_argument(
        "--user", help="log in under this name; the password is asked for, or in MEDMAMBA_PROBE_PASSWORD"
    )
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="send this along, for a login by header"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what holds; 1 when something does not.

    Raises:
        ProbeError: address or header is none, nobody answers there, or the login fails.
    """
    if not _is_address(arguments.url):
        raise ProbeError("The address has to begin with http:// or https:// and a host, as http://localhost:7860/.")
    if not all(HEADER.fullmatch(header) for header in arguments.header):
        raise ProbeError("A header is given as NAME:VALUE, in plain letters, digits and signs.")
    entry = dict(header.split(":", 1) for header in arguments.header)
    site = Site(arguments.url, {name: value.strip() for name, value in entry.items()})
    try:
        if arguments.user:
            _log_in(site, arguments.user)
        results = [_checked(site, check) for check in CHECKS]
    except httpx.TransportError as error:
        raise ProbeError(f"The server does not answer ({type(error).__name__}). Is the address right?") from None
    finally:
        site.client.close()
    held = sum(results)
    print(f"{held} of {len(results)}")
    return 0 if held == len(results) else 1


def _is_address(url: str) -> bool:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme in ("http", "https") and bool(parts.host)


def _checked(site: Site, check: Callable[[Site], None]) -> bool:
    what = (check.__doc__ or "").strip()
    try:
        check(site)
    except Fault as fault:
        print(f"FAILS  {what}: {fault}", flush=True)
    except httpx.ConnectError:
        raise
    except (httpx.HTTPError, OSError, ValueError, KeyError) as error:  # an answer that no server of ours gives
        print(f"FAILS  {what}: {type(error).__name__}", flush=True)
    else:
        print(f"holds  {what}", flush=True)
        return True
    return False


def _log_in(site: Site, name: str) -> None:
    try:
        password = os.environ.get("MEDMAMBA_PROBE_PASSWORD") or getpass.getpass()
    except EOFError:
        raise ProbeError("There is no terminal to ask for a password at. Give it in MEDMAMBA_PROBE_PASSWORD.") from None
    answer = site.client.post("login", data={"username": name, "password": password})
    if answer.status_code != 200:
        raise ProbeError(f"The login is answered {answer.status_code}.")
