"""One picture: the viewer, and the answer beside it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app import conversation, present
from app.engine import AT_ONCE
from app.mount import mounted
from app.service import Service
from app.texts import DEFAULT, texts_for


def build(service: Service) -> None:
    """Lays the tab out inside the current Blocks."""
    with gr.Row(elem_id="mm-classify"):
        viewer = mounted(
            "viewer", "mountViewer", events=("ask", "trust", "report"), template='<div class="mm-viewer"></div>'
        )
        panel = mounted("panel", "mountPanel", value=present.waiting(texts_for(DEFAULT)), template="${value}")

    def ask(event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        yield from _updates(conversation.ask(service, event._data))

    def trust(event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        yield from _updates(conversation.trust(service, event._data))

    def report(event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        yield from _updates(conversation.write_report(service, event._data))

    wiring: dict[str, Any] = {
        "inputs": None,
        "outputs": [viewer, panel],
        "api_visibility": "private",
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        "concurrency_id": "network",
        "concurrency_limit": AT_ONCE,
    }
    viewer.ask(ask, **wiring)
    viewer.trust(trust, **wiring)
    viewer.report(report, **wiring)


def _updates(steps: Iterator[conversation.Step]) -> Iterator[tuple[Any, Any]]:
    for message, panel in steps:
        yield message, gr.skip() if panel is None else panel
