"""What of the server can be reached at all, and by what name a request is counted.

Gradio brings routes that nothing here uses: monitoring, run history, deep links, proxying, an editor. A path under its
prefix is open only if it is in the list below; the rest answers 404, whatever Gradio's next release adds.
"""

import re

GRADIO = "/gradio_api/"
ENDPOINTS = ("classify", "saliency", "models")  # documented, see ``api``
_OPEN = re.compile(
    r"/gradio_api/(?:info|upload|upload_progress|queue/join|queue/data|cancel|reset|heartbeat/[\w-]+|startup-events|"
    rf"app_id|login_check|user|theme\.css|call/(?:v2/)?(?:{'|'.join(ENDPOINTS)})(?:/[\w-]+)?)/?"
)
_CLOSED = ("/monitoring", "/pwa_icon", "/docs", "/redoc", "/openapi.json")
_COUNTED = (
    *("pictures", "archives", "examples", "models", "learn", "classroom", "texts", "viewer", "assets", "svelte"),
    "static",
)
PROBES = ("/healthz", "/readyz")  # which balancers and supervisors ask
_ALONE = ("/", "/config", "/login", "/logout", *PROBES)


def is_open(path: str) -> bool:
    """Whether anything may answer at a path (without the prefix of a reverse proxy)."""
    if path.startswith(GRADIO) or path == GRADIO.rstrip("/"):
        return _OPEN.fullmatch(path) is not None
    return not path.startswith(_CLOSED)


def label(path: str) -> str:
    """A path's name in logs and metrics: one of a few, without tokens, codes or anything that a visitor typed."""
    if path in _ALONE:
        return path
    if path.startswith(GRADIO):
        return "/".join(path.split("/")[:3]) if _OPEN.fullmatch(path) else "other"
    first = path.split("/")[1] if path.startswith("/") else ""
    return f"/{first}" if first in _COUNTED else "other"
