"""Every checkpoint as a Model Facts page."""

import gradio as gr

from app import facts
from app.mount import mounted
from app.service import Service
from app.texts import texts_for


def build(service: Service) -> None:
    """Lays the tab out inside the current Blocks."""
    pages = mounted("models", "mountModels", events=("scan",), value="", template="${value}")

    def scan(event: gr.EventData) -> str:
        data = event._data if isinstance(event._data, dict) else {}
        return facts.page(service.models(), texts_for(str(data.get("language", ""))[:20]))

    pages.scan(scan, inputs=None, outputs=pages, api_visibility="private", show_progress="hidden")
