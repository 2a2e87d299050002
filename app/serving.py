"""``python -m app``: the server, from its settings until it is told to end."""

import argparse
import asyncio
import errno
import logging
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
import uvicorn

from app import logs
from app.settings import LOOPBACK, PREFIX, Settings, SettingsError
from medmamba.errors import MedMambaError

if TYPE_CHECKING:
    from app.main import Application
    from app.service import Service

logger = logging.getLogger("medmamba.server")


class Server(uvicorn.Server):
    """Ends in order: no new connections, no new visitors by ``/readyz``, and whatever was asked is answered."""

    def __init__(self, config: uvicorn.Config, application: "Application") -> None:
        super().__init__(config)
        self.application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn in its loop, once."""
        self.application.service.is_warm = False
        ending = asyncio.create_task(self.application.end_streams())
        await super().shutdown(sockets)
        ending.cancel()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", type=Path, metavar="FILE", help="a TOML file with settings; see app/settings.py")
    parser.add_argument("--engine", choices=["local", "ray"], help="where the networks run, whatever the settings say")


def run(arguments: argparse.Namespace) -> int:
    """Runs the server until it is interrupted; returns the exit code.

    Raises:
        MedMambaError: a setting is not usable, a port is taken, or no temporary file can be written; nothing is served.
    """
    given = {"engine": arguments.engine} if arguments.engine else {}
    settings = Settings.load(arguments.settings, **given)
    try:
        tempfile.gettempdir()
    except FileNotFoundError:  # there is none, or none with a byte of space
        raise SettingsError("No temporary file can be written. Set TMPDIR to a folder with space in it.") from None
    sockets = listen(settings.host, settings.port)
    # Only now, since it takes its time: what is wrong with the settings or the port has been said by then.
    from app.main import build_server, build_service

    logs.set_up(settings.log)
    service = build_service(settings)
    application = build_server(settings, service)
    if settings.host not in LOOPBACK and settings.logins is None and not settings.login_header:
        logger.info("anybody who reaches this machine may use the page: there is no login")
    server = Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            loop="asyncio",  # uvicorn would take what other packages, as Ray, bring along
            http="h11",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # app.proxies sees to them
            timeout_graceful_shutdown=settings.shutdown_seconds,
            timeout_keep_alive=30,  # longer than a phone waits between two polls, or it meets a closing connection
        ),
        application,
    )
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # uvicorn raises them anew once it has ended: then we sweep, and exit
        signal.signal(number, lambda *_: sys.exit(0))
    address = f"http://{_name(settings.host)}:{sockets[0].getsockname()[1]}{settings.root_path}/"
    announcer = threading.Thread(target=_announce, args=(server, address, service))
    try:
        if settings.metrics_port:
            _show_metrics(settings, application)
        announcer.start()
        server.run(sockets)
    finally:
        server.should_exit = True
        if announcer.ident is not None:
            announcer.join()
        shutil.rmtree(application.folder, ignore_errors=True)
        service.engine.close()
    return 0


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets for all addresses that a host's name has, where connections wait from now on until they are accepted.

    A name may have an address of a family that the machine does not use, as "localhost" has without IPv6: such ones
    are left out as long as another is left.

    Raises:
        SettingsError: the port is taken, or there is no listening there.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _unheard("host", "port", port, error) from None
    sockets: list[socket.socket] = []
    faults: list[OSError] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            sockets.append(socket.create_server(address, family=family))
        except OSError as error:
            faults.append(error)
    taken = [fault for fault in faults if fault.errno == errno.EADDRINUSE]
    if taken or not sockets:
        for opened in sockets:
            opened.close()
        raise _unheard("host", "port", port, (taken or faults)[0])
    return sockets


def _show_metrics(settings: Settings, application: "Application") -> None:
    try:
        prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host, application.registry)
    except OSError as error:
        raise _unheard("metrics_host", "metrics_port", settings.metrics_port, error) from None


def _unheard(host: str, port: str, number: int, error: OSError) -> SettingsError:
    """What to say where the server cannot listen; host, port: the names of the settings."""
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {number} is taken, perhaps by a server that runs already: "
            f"choose another with {PREFIX}{port.upper()} ({port} in the settings file)."
        )
    return SettingsError(
        f"{PREFIX}{host.upper()}, {PREFIX}{port.upper()} ({host}, {port} in the settings file): "
        f"the server cannot listen there: {error.strerror}."
    )


def _name(host: str) -> str:
    """A host as it stands in an address to open."""
    if host in ("127.0.0.1", "0.0.0.0"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _announce(server: uvicorn.Server, address: str, service: "Service") -> None:
    """Warms the service up, and tells the address as soon as both it and the server are ready."""
    try:
        service.warm()
    except MedMambaError as error:
        sys.stderr.write(f"{error}\n")
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    sys.stdout.write(f"MedMamba is ready: {address}\n")
    sys.stdout.flush()
