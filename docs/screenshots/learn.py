"""Makes the Learn tab's screenshots: ``python -m docs.screenshots.learn ADDRESS`` with the page running at ADDRESS.

Needs Playwright and Chromium (``CHROMIUM``, else /usr/bin/chromium). Shows the shipped lessons alone.
"""

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
WAIT = 240_000  # milliseconds: a busy machine asks the network slowly


def enter(page: Page, address: str, theme: str) -> None:
    """Open the page, close its notice, choose the theme, go to the tab."""
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.click(".mm-notice .mm-primary")
    if theme == "light":
        page.click("[data-header=theme]")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_selector("[data-deck]")


def answer(page: Page, confidence: str, mark: bool) -> None:
    """Answer the case on the screen with the first choice."""
    page.wait_for_selector("[data-part=commit]")
    page.locator(".mm-choice label").first.click()
    page.locator(f".mm-confidence input[value={confidence}]").check()
    if mark:
        page.locator(".mm-learn .mm-stage").click()


def commit(page: Page) -> None:
    """Commit and wait for the network."""
    page.click("[data-part=commit]")
    page.wait_for_selector("[data-part=network] .mm-shares, [data-part=network] p:nth-of-type(2)")
    page.wait_for_timeout(500)


def tour(page: Page, suffix: str) -> None:
    """Before the answer, after it, what came of it, the editor with that deck."""
    page.screenshot(path=FOLDER / f"learn-decks-{suffix}.png")
    page.locator("[data-deck=kinds-en] button").click()
    answer(page, "sure", mark=True)
    page.screenshot(path=FOLDER / f"learn-before-{suffix}.png", full_page=True)
    commit(page)
    page.screenshot(path=FOLDER / f"learn-after-{suffix}.png", full_page=True)
    for confidence in ("guess", "fairly", "sure", "guess", "fairly"):
        page.click("[data-part=next]")
        answer(page, confidence, mark=False)
        commit(page)
    page.click("[data-part=next]")
    page.wait_for_selector("[data-part=score]")
    page.screenshot(path=FOLDER / f"learn-results-{suffix}.png", full_page=True)


def edit(page: Page, deck: Path, suffix: str) -> None:
    """The editor with a deck in it."""
    page.get_by_role("button", name="Other decks").click()
    page.get_by_role("button", name="Make a deck").click()
    page.set_input_files("[data-part=editor-open]", deck)
    page.wait_for_selector(".mm-cases img")
    page.wait_for_function("[...document.querySelectorAll('.mm-cases img')].slice(0, 3).every((i) => i.complete)")
    page.screenshot(path=FOLDER / f"learn-editor-{suffix}.png")


def main(address: str) -> None:
    """Desktop, dark and light, and the phone."""
    from medmamba.deck import write_deck
    from medmamba.lessons import lessons

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        deck = Path(folder) / "deck.zip"
        deck.write_bytes(write_deck(lessons()["refusals-en"]))
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for theme, viewport, suffix in (
            ("dark", DESKTOP, "dark"),
            ("light", DESKTOP, "light"),
            ("dark", PHONE, "phone"),
        ):
            page = browser.new_page(viewport=viewport, locale="en-US", has_touch=viewport is PHONE)
            enter(page, address, theme)
            tour(page, suffix)
            edit(page, deck, suffix)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
