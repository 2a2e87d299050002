"""``python -m app``: the server, from its settings until it is told to end."""

import argparse
import asyncio
import logging
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import prometheus_client
import uvicorn

from app import logs
from app.main import Application, build_server, build_service
from app.service import Service
from app.settings import LOOPBACK, Settings
from medmamba.errors import MedMambaError

logger = logging.getLogger("medmamba.server")


class Server(uvicorn.Server):
    """Ends in order: no new connections, no new visitors by ``/readyz``, and whatever was asked is answered."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
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
    """Runs the server until it is interrupted; returns the exit code."""
    given = {"engine": arguments.engine} if arguments.engine else {}
    settings = Settings.load(arguments.settings, **given)
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
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host, application.registry)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # uvicorn raises them anew once it has ended: then we sweep, and exit
        signal.signal(number, lambda *_: sys.exit(0))
    announcer = threading.Thread(target=_announce, args=(server, settings, service))
    announcer.start()
    try:
        server.run()
    finally:
        server.should_exit = True
        announcer.join()
        shutil.rmtree(application.folder, ignore_errors=True)
        service.engine.close()
    return 0


def _announce(server: uvicorn.Server, settings: Settings, service: Service) -> None:
    """Warms the service up, and tells the address as soon as both it and the server are ready."""
    try:
        service.warm()
    except MedMambaError as error:
        sys.stderr.write(f"{error}\n")
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0") else settings.host
    sys.stdout.write(f"MedMamba is ready: http://{host}:{settings.port}{settings.root_path}/\n")
    sys.stdout.flush()
