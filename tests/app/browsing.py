"""What the browser tests do on the page, in one place."""

from typing import Any

import pytest


def open_picture(page: Any, *files: bytes) -> None:
    """Choose files and wait for the answer to the first."""
    payloads = [{"name": "p", "mimeType": "application/octet-stream", "buffer": data} for data in files]
    page.evaluate("document.querySelector('.mm-recognised')?.classList.add('mm-of-an-earlier-picture')")
    page.set_input_files("[data-part=file]", payloads)
    page.wait_for_selector(".mm-recognised:not(.mm-of-an-earlier-picture)")


def open_tab(page: Any, name: str) -> None:
    """Go to a tab and wait until it is there: what is dropped before belongs to the tab that was open."""
    page.get_by_role("tab", name=name).click()
    page.locator({"Classify": ".mm-viewer"}.get(name, f".mm-{name.lower()}")).first.wait_for()


def settle(page: Any) -> None:
    """Wait until nothing is under way; the pointer leaves the picture."""
    page.wait_for_function("!document.querySelector('[data-part=busy]').textContent")
    page.mouse.move(5, 5)


def ask(page: Any, task: str) -> None:
    """Choose another question and wait for its map."""
    page.select_option("[data-ask=task]", task)
    page.wait_for_selector(".mm-override")
    page.wait_for_selector("[data-part=scale]:visible")


def readout(page: Any) -> str:
    """Zoom and window as written on the picture."""
    return str(page.locator("[data-part=readout]").inner_text())


def pixels(page: Any, pane: int = -1) -> list[int]:
    """The bytes of a visible pane's canvas, thinned out."""
    script = """(canvases, pane) => {
      const canvas = canvases.filter((c) => c.offsetParent).at(pane), {width, height} = canvas;
      const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      return Array.from(data).filter((_, i) => i % 404 < 3);
    }"""
    return list(page.locator(".mm-pane canvas").evaluate_all(script, pane))


def axe_faults(page: Any) -> list[tuple[str, str]]:
    """Serious and critical violations that axe-core finds on the page as it is: (rule, where)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = axe.Axe().run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
