"""Gradio's side of the look; the page's own is viewer/page.css. Local fonts only."""

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Flat and quiet: no shadows, no gradients, the page's own greys."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=FONT,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_sm,
    ).set(
        body_background_fill="#f5f6f7",
        body_background_fill_dark="#101316",
        body_text_color="#1a2026",
        body_text_color_dark="#e4e8eb",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        input_border_width="1px",  # of the login's fields, which in the dark have the colour of what is around them
        input_border_color="#66727c",
        input_border_color_dark="#87939c",
        input_border_color_focus="#0a6f66",
        input_border_color_focus_dark="#5cc8ba",
    )
