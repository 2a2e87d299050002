"""Makes the screenshots: ``python -m docs.screenshots.make ADDRESS [PICTURE...]`` with the page running at ADDRESS.

Needs Playwright and Chromium (``CHROMIUM``, else /usr/bin/chromium). Without pictures it shows the packaged examples;
name only pictures whose licence allows it.
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from app.examples import packaged

FOLDER = Path(__file__).parent
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
SETTLED = "!document.querySelector('[data-part=busy]').textContent"


def enter(page: Page, address: str, theme: str) -> None:
    """Open the page, close its notice, choose the theme."""
    page.set_default_timeout(180_000)
    page.goto(address)
    page.click(".mm-notice .mm-primary")
    page.wait_for_selector(".mm-examples img")
    page.wait_for_function("[...document.querySelectorAll('.mm-examples img')].every((image) => image.complete)")
    if theme == "light":
        page.click("[data-header=theme]")


def open_pictures(page: Page, pictures: list[str]) -> None:
    """Open files and wait for the first one's map."""
    page.set_input_files("[data-part=file]", pictures)
    page.wait_for_selector(".mm-recognised")
    page.wait_for_function(SETTLED)
    if page.locator("[data-anyway]").count():
        page.click("[data-anyway]")
    page.wait_for_selector("[data-part=scale]:visible")
    page.wait_for_timeout(500)


def main(address: str, pictures: list[str]) -> None:
    """Every page, dark and light, and the phone."""
    with sync_playwright() as driver:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for theme in ("dark", "light"):
            page = browser.new_page(viewport=DESKTOP, locale="en-US")
            enter(page, address, theme)
            page.screenshot(path=FOLDER / f"start-{theme}.png")
            open_pictures(page, pictures)
            page.screenshot(path=FOLDER / f"classify-{theme}.png")
            page.keyboard.press("b")
            page.screenshot(path=FOLDER / f"side-by-side-{theme}.png")
            page.get_by_role("tab", name="Batch").click()
            page.set_input_files("[data-part=files]", pictures)
            page.wait_for_selector(".mm-batch [data-do=cancel]", state="hidden")
            page.screenshot(path=FOLDER / f"batch-{theme}.png")
            page.get_by_role("tab", name="Models").click()
            page.wait_for_selector(".mm-model")
            page.screenshot(path=FOLDER / f"models-{theme}.png")
            page.close()
        strange = browser.new_page(viewport=DESKTOP, locale="de-DE")
        enter(strange, address, "dark")
        strange.click("[data-example='1']")
        strange.wait_for_selector(".mm-recognised")
        strange.wait_for_function(SETTLED)
        strange.screenshot(path=FOLDER / "example-german-dark.png")
        phone = browser.new_page(viewport=PHONE, locale="en-US", has_touch=True)
        enter(phone, address, "dark")
        open_pictures(phone, pictures)
        phone.screenshot(path=FOLDER / "phone-dark.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or [str(example.file) for example in packaged()])
