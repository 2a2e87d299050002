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
        background_fill_primary="#f5f6f7",  # from here on the login, which has nothing but Gradio's look
        background_fill_primary_dark="#101316",
        background_fill_secondary="#f5f6f7",
        background_fill_secondary_dark="#101316",
        panel_background_fill="transparent",
        panel_background_fill_dark="transparent",
        border_color_primary="#e4e8eb",
        border_color_primary_dark="#2a3137",
        block_title_text_color="#3d4852",
        block_title_text_color_dark="#e4e8eb",
        input_background_fill="#ffffff",
        input_background_fill_dark="#191e23",
        button_primary_background_fill="#0a6f66",
        button_primary_background_fill_dark="#5cc8ba",
        button_primary_background_fill_hover="#085850",
        button_primary_background_fill_hover_dark="#7cd6ca",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#08201d",
        input_border_width="1px",
        input_border_color="#66727c",
        input_border_color_dark="#87939c",
        input_border_color_focus="#0a6f66",
        input_border_color_focus_dark="#5cc8ba",
    )
