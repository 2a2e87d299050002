"""Many pictures: a table that fills itself. The script chooses the files and keeps their names; we answer."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app import batch
from app.engine import AT_ONCE
from app.mount import UNANSWERED, mounted
from app.service import Service


def build(service: Service) -> None:
    """Lays the tab out inside the current Blocks."""
    table = mounted("batch", "mountBatch", events=("run",), template='<div class="mm-batch"></div>')

    def run(event: gr.EventData) -> Iterator[dict[str, Any]]:
        yield from batch.rows(service, event._data)

    table.run(
        run,
        inputs=None,
        outputs=table,
        api_visibility="private",
        show_progress="hidden",
        trigger_mode="multiple",
        concurrency_id="network",
        concurrency_limit=AT_ONCE,
    ).failure(None, outputs=table, js=UNANSWERED, api_visibility="private")
