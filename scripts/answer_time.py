"""How long an answer takes: ``python -m scripts.answer_time ADDRESS [FOLDER]`` with the page running at ADDRESS.

Twelve pictures of 512 x 512 pixels, each opened by a fresh visitor in Chromium (``CHROMIUM``, else /usr/bin/chromium).
They are made from FOLDER's pictures, or from the packaged examples, turned where there are fewer than twelve. Measured
in the browser, from the end of the upload to the answer on the page. One visit before them, to warm up, does not count.
"""

import io
import itertools
import os
import statistics
import sys
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Browser, sync_playwright

from app.examples import own, packaged
from medmamba import images

PICTURES, SIDE = 12, 512
WATCH = """() => {
  const panel = document.querySelector("#mm-panel");
  window.answered = new Promise((resolve) => {
    const look = () => panel.querySelector(".mm-recognised") && resolve(performance.now());
    new MutationObserver(look).observe(panel, { childList: true, subtree: true });
  });
}"""
MEASURED = """async () => {
  const answered = await window.answered;
  const sent = performance.getEntriesByType("resource").find((entry) => /[/]pictures$/.test(entry.name));
  return answered - sent.responseEnd;
}"""


def pictures(folder: Path | None) -> list[bytes]:
    """Twelve PNG files."""
    turned = []
    for turn, example in itertools.product(range(4), own(folder) if folder else packaged()):
        picture = Image.fromarray(images.read(example.file).display()).rotate(90 * turn, expand=True)
        buffer = io.BytesIO()
        ImageOps.fit(picture, (SIDE, SIDE)).save(buffer, "PNG")
        turned.append(buffer.getvalue())
        if len(turned) == PICTURES:
            break
    return turned


def seconds_for(browser: Browser, address: str, data: bytes) -> float:
    """One visitor's wait."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.click(".mm-notice .mm-primary")
    page.wait_for_selector(".mm-drop")
    page.evaluate(WATCH)
    page.set_input_files("[data-part=file]", {"name": "p", "mimeType": "image/png", "buffer": data})
    milliseconds = page.evaluate(MEASURED)
    page.close()
    return float(milliseconds) / 1000


def main(address: str, folder: Path | None = None) -> None:
    """Prints every wait, and their median."""
    files = pictures(folder)
    with sync_playwright() as driver:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        seconds_for(browser, address, files[0])
        waits = [seconds_for(browser, address, data) for data in files]
        browser.close()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print("seconds:", " ".join(f"{wait:.2f}" for wait in waits))
    print(f"median of {len(waits)}: {statistics.median(waits):.2f} s; load of {os.cpu_count()} cores: {load}")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:3]))
