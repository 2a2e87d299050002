"""One picture: the viewer, and the answer beside it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app import conversation
from app.engine import AT_ONCE
from app.mount import UNANSWERED, mounted
from app.service import Service


def build(service: Service) -> None:
    """Lays the tab out inside the current Blocks."""
    with gr.Row(elem_id="mm-classify"):
        viewer = mounted(
            "viewer", "mountViewer", events=("ask", "trust", "report"), template='<div class="mm-viewer"></div>'
        )
        mounted("panel", "mountPanel", template='<div class="mm-panel"></div>')

    def ask(event: gr.EventData) -> Iterator[conversation.Message]:
        yield from conversation.ask(service, event._data)

    def trust(event: gr.EventData) -> Iterator[conversation.Message]:
        yield from conversation.trust(service, event._data)

    def report(event: gr.EventData) -> Iterator[conversation.Message]:
        yield from conversation.write_report(service, event._data)

    wiring: dict[str, Any] = {
        "inputs": None,
        "outputs": viewer,
        "api_visibility": "private",
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        "concurrency_id": "network",
        "concurrency_limit": AT_ONCE,
    }
    for event, answer in ((viewer.ask, ask), (viewer.trust, trust), (viewer.report, report)):
        event(answer, **wiring).failure(None, outputs=viewer, js=UNANSWERED, api_visibility="private")
