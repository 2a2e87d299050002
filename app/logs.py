"""Logs without anything of a patient: what is logged is chosen, and what an exception quotes is left out.

Exceptions appear by their kind and their places in the sources; their text may quote a file's name or a header's
content. Requests appear under a few fixed names (``surface.label``), without address, query, token or visitor. Of what
libraries have to say only the place is told: some quote what was sent to them. Gradio and Python itself also print
past every log (tracebacks of failed calls, warnings, threads that died); these ways lead into the log as well.
"""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

PLACES = 6  # innermost lines of a traceback
SPEAKERS = ("app", "medmamba", "uvicorn")  # whose words are known to hold nothing that was sent

logger = logging.getLogger("medmamba.faults")


class _Bare(logging.Formatter):
    """A line of text; exceptions without their text."""

    def formatException(self, ei: Any) -> str:
        return places(ei[1])


class _Json(JsonFormatter):
    """A line of JSON; likewise."""

    def formatException(self, ei: Any) -> str:
        return places(ei[1])


def _without_words(record: logging.LogRecord) -> bool:
    """A filter that passes everything, but of a library's record only its place in the library."""
    if record.name.partition(".")[0] not in SPEAKERS:
        record.msg, record.args = f"at {record.module}:{record.lineno}", ()
    return True


def places(error: BaseException | None) -> str:
    """Where an exception came from: its kind and the innermost lines that it passed."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    return " < ".join([type(error).__name__, *(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))])


def set_up(form: str) -> None:
    """Sends every log to standard error, as "json" or "plain"."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        fields = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}
        handler.setFormatter(_Json("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields))
    else:
        handler.setFormatter(_Bare("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_without_words)
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("medmamba").setLevel(logging.INFO if form == "json" else logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("httpx").setLevel(logging.ERROR)
    sys.excepthook = lambda kind, error, _: logger.critical("ended: %s", places(error))
    sys.unraisablehook = lambda fault: logger.error("in passing: %s", places(fault.exc_value))
    threading.excepthook = lambda fault: logger.error("a thread ended: %s", places(fault.exc_value))
    traceback.print_exc = lambda *_, **__: logger.error("failed: %s", places(sys.exception()))
    warnings.showwarning = lambda _, kind, file, line, *__: logger.warning(
        "%s at %s:%s", kind.__name__, Path(file).stem, line
    )
