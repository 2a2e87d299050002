"""The page: header, tabs, strip. Layout only; what happens is in the tabs, and below them in the service."""

import gradio as gr

from app import api
from app.mount import mounted
from app.service import Service
from app.tabs import batch, classify, learn, models
from app.texts import languages, texts_for

TABS = ("tab.classify", "tab.learn", "tab.batch", "tab.models")


def translations() -> gr.I18n:
    """The few words that Gradio itself shows, in every language."""
    return gr.I18n(**{code: {key: texts_for(code)(key) for key in TABS} for code in languages()})


def build_app(service: Service, has_form: bool = False) -> gr.Blocks:
    """Builds the page around a service; no checkpoint is loaded yet. has_form: whether visitors log in by Gradio's."""
    i18n = translations()
    header = {"languages": {code: texts_for(code)("language.name") for code in languages()}, "hasForm": has_form}
    with gr.Blocks(title="MedMamba", analytics_enabled=False, fill_width=True) as page:
        mounted("header", "mountHeader", value=header)
        with gr.Tabs(elem_id="mm-tabs"):
            for key, tab in zip(TABS, (classify, learn, batch, models), strict=True):
                with gr.Tab(i18n(key)):
                    tab.build(service)
        mounted("strip", "mountStrip")
        api.build(service)
    return page
