"""The networks as a deployment of Ray Serve: on other machines, on several, or on shares of a GPU.

A replica is a ``LocalEngine``, so that it takes waiting pictures together as one server does alone (``@serve.batch``
would gather them a second time); Ray starts more replicas when all of them are busy, ends them when they are not, and
replaces those that die. Pictures travel as the small squares that the network sees.

Without an address a cluster starts on this machine, reachable from here alone, and ends with the server. Nothing is
reported to Ray's makers, and no dashboard runs. Ray reads its variables while it is imported, hence the late imports.
"""

import asyncio
import logging
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.engine import AT_ONCE, FULL, TOGETHER, LocalEngine, Places
from medmamba import registry
from medmamba.checkpoints import Card
from medmamba.classifier import Answer
from medmamba.errors import BusyError, MedMambaError
from medmamba.saliency import LAST_STAGE, DeletionScore, EvidenceMap

NAME = "medmamba"  # of the application, and of the log that says little
SECONDS = 60.0  # for one answer; replicas that start need some
TRIES = 3  # whatever is asked changes nothing, so that it may be asked again when a replica dies
STORE_BYTES = 2**28  # for what travels between processes of a cluster of our own; Ray would take a third of the memory


@dataclass(frozen=True)
class Cluster:
    """Where replicas run, and how many.

    address: of a running cluster, as Ray writes it; "" for one of our own. replicas: most of them, the least is one.
    cores, gpus: for each replica; fractions share a core or a GPU.
    """

    address: str = ""
    replicas: int = 1
    cores: float = 1.0
    gpus: float = 0.0


class Replica:
    """What Ray runs, once for each replica."""

    def __init__(self, root: Path | None, bfloat16: bool) -> None:
        self._engine = LocalEngine(root, AT_ONCE, bfloat16)  # Ray sends no more at once
        self._threads = ThreadPoolExecutor(AT_ONCE)

    async def work(self, method: str, *arguments: Any) -> Any:
        """Call a method of the engine."""
        call = partial(getattr(self._engine, method), *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def process(self) -> int:
        """The number of the replica's process."""
        return os.getpid()


class RayEngine:
    """An ``Engine`` whose networks are elsewhere.

    Args:
        cluster: where they are. An application that already runs there is used as it is.
        root: the folder of checkpoints, which has to be the same on all machines; None takes the default.
        places: most pictures and maps that may wait or be worked on.
        bfloat16: as for ``LocalEngine``, on each machine.

    Raises:
        MedMambaError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, cluster: Cluster, root: Path | None = None, places: int = 64, bfloat16: bool = False) -> None:
        self._root, self._places, self._is_own = root, Places(places), not cluster.address
        self._handle = _connect(cluster, root, bfloat16)

    def card(self, checkpoint: str) -> Card:
        return registry.read_card(registry.find(checkpoint, self._root))

    def answer(self, checkpoint: str, display: np.ndarray, task: str | None = None) -> Answer:
        square = self.card(checkpoint).transform.to_square(display)
        with self._places.one():
            return self._ask("answer", checkpoint, square, task)

    def reanswer(self, checkpoint: str, answer: Answer, task: str) -> Answer:
        return self._ask("reanswer", checkpoint, answer, task)

    def evidence(
        self, checkpoint: str, answer: Answer, class_name: str, method: str = "grad-cam", stage: int = LAST_STAGE
    ) -> EvidenceMap:
        with self._places.one():
            return self._ask("evidence", checkpoint, answer, class_name, method, stage)

    def modality_evidence(self, checkpoint: str, answer: Answer, modality: str) -> EvidenceMap:
        with self._places.one():
            return self._ask("modality_evidence", checkpoint, answer, modality)

    def deletion_score(self, checkpoint: str, answer: Answer, evidence: EvidenceMap) -> DeletionScore:
        with self._places.one():
            return self._ask("deletion_score", checkpoint, answer, evidence)

    def waiting(self) -> int:
        return self._places.taken

    def close(self) -> None:
        import ray
        from ray import serve

        if self._is_own:
            serve.shutdown()
        ray.shutdown()

    def _ask(self, method: str, *arguments: Any) -> Any:
        from ray.exceptions import RayActorError, RayTaskError

        for _ in range(TRIES):
            try:
                return self._handle.work.remote(method, *arguments).result(timeout_s=SECONDS)
            except RayActorError:
                continue  # the replica has died
            except RayTaskError as error:
                if isinstance(error.cause, MedMambaError):
                    raise error.cause from None
                raise
            except TimeoutError:
                break
        raise BusyError(FULL)


def _connect(cluster: Cluster, root: Path | None, bfloat16: bool) -> Any:
    """The handle of the application, which is started where it does not run yet."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not cluster.address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's word for: on the loopback interface alone
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
        from ray import serve
    except ImportError:
        raise MedMambaError("Ray is not installed. Install it with: pip install 'ray[serve]'.") from None
    options: dict[str, Any] = {"address": cluster.address, "log_to_driver": False, "logging_level": "error"}
    if not cluster.address:
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        ray.init(**options)
    except (OSError, ValueError, RuntimeError):
        if cluster.address:
            raise MedMambaError("The Ray cluster cannot be reached. Check MEDMAMBA_RAY_ADDRESS.") from None
        raise MedMambaError("Ray cannot start. Set RAY_TMPDIR to a folder that has a short path and room.") from None
    logs = {"log_level": "ERROR", "enable_access_log": False}
    serve.start(proxy_location="Disabled", logging_config=logs)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    if NAME in serve.status().applications:
        return serve.get_app_handle(NAME)
    deployment = serve.deployment(
        Replica,
        name=NAME,
        max_ongoing_requests=AT_ONCE,
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": cluster.replicas,
            "target_ongoing_requests": TOGETHER,
        },
        ray_actor_options={"num_cpus": cluster.cores, "num_gpus": cluster.gpus},
        logging_config=logs,
    )
    return serve.run(deployment.bind(root, bfloat16), name=NAME, route_prefix=None)
