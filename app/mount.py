"""Pieces of the page that the scripts in viewer/ fill: an element of Gradio's, and a function that mounts on it."""

from typing import Any

import gradio as gr

SCRIPT = """
import(new URL("viewer/main.js", document.baseURI))
  .then((page) => page.{call}(element, trigger, watch, props, [{events}]))
  .catch((error) => console.error(error));
"""
UNANSWERED = "() => ({unanswered: Date.now()})"  # a value, never twice the same, in place of an answer


def mounted(name: str, call: str, *, events: tuple[str, ...] = (), value: Any = None, template: str = "") -> gr.HTML:
    """An element whose inside is made by ``call`` of viewer/main.js.

    Args:
        name: its id on the page, after ``mm-``.
        call: the exported function.
        events: what it may trigger; each is then an event of the component.
        value: what the script is given as ``props.value``; with ``template`` "${value}" it is the HTML shown.
        template: the HTML inside; must hold no text from outside.
    """
    quoted = ", ".join(f'"{event}"' for event in events)
    return gr.HTML(
        value,
        html_template=template,
        js_on_load=SCRIPT.format(call=call, events=quoted),
        apply_default_css=False,
        elem_id=f"mm-{name}",
        elem_classes="mm",
    )
