"""Makes the screenshots of teaching: ``python -m docs.screenshots.classroom ADDRESS [DECK.zip]``.

A teacher opens a room on the page running at ADDRESS, two phones join, and made-up students answer at random, better
than chance; they stand for no real class. Without a deck it is one of a single case, the healthy retina that
scikit-image ships (Häggström, CC0). Needs Playwright and Chromium (``CHROMIUM``, else /usr/bin/chromium); no case
after the third is shown. Use only decks whose licence allows it.
"""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import skimage
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from medmamba.deck import Case, Deck, read_deck, write_deck  # noqa: E402

FOLDER = Path(__file__).parent
SCREEN, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
STUDENTS = 24
NAMES = ["Ada", "Bo", "Cem", "Dana", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kai", "Lea", "Mia", "Noor", "Ole"]


def send(method: str, address: str, key: str = "", body: Any = None) -> Any:
    """One request as a student's page sends it; returns the answer's JSON."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with urlopen(Request(address, json.dumps(body).encode() if body else None, headers, method=method)) as response:
        content = response.read()
    return json.loads(content) if content else None


def open_page(browser: Browser, address: str, theme: str, size: dict[str, int]) -> Page:
    """A page in a browser of its own."""
    context = browser.new_context(viewport=size, locale="en-US", has_touch=size is PHONE)
    context.add_init_script(f"localStorage.setItem('medmamba-theme', '{theme}')")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.on("pageerror", lambda error: sys.exit(f"A script failed: {error}"))
    page.goto(address)
    return page


def answer(room: str, keys: list[str], position: int, truth: str, choices: list[str]) -> None:
    """All made-up students answer a case; two of three are right."""
    chance = random.Random(position)
    for key in keys:
        choice = truth if chance.random() < 0.65 else chance.choice(choices)
        mark = [min(1, max(0, chance.gauss(0.45, 0.14))), min(1, max(0, chance.gauss(0.5, 0.14)))]
        reply = {"choice": choice, "confidence": chance.randint(1, 3), "mark": mark if chance.random() < 0.8 else None}
        send("PUT", f"{room}/answers/{position}", key, reply)


def retina() -> bytes:
    """The deck that is shown without another."""
    picture = (Path(skimage.__file__).parent / "data" / "retina.jpg").read_bytes()
    text = "A healthy left eye: a sharp disc with a small cup, and vessels of even width."
    case = Case(picture, "normal", text, "Häggström, Wikimedia Commons; shipped with scikit-image", "CC0")
    classes = (("cataract", "Cataract"), ("glaucoma", "Glaucoma"), ("normal", "No finding"))
    return write_deck(Deck("One fundus", "en", "fundus", classes, (case,)))


def main(address: str, path: str = "") -> None:
    """Projector, control and phone, through a room."""
    content = Path(path).read_bytes() if path else retina()
    deck = read_deck(content)
    upload = {"name": "deck.zip", "mimeType": "application/zip", "buffer": content}
    address = address.rstrip("/")
    with sync_playwright() as driver:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        control = open_page(browser, f"{address}/classroom/teach", "dark", SCREEN)
        control.select_option("#deck", "")
        control.set_input_files("#zip", upload)
        control.select_option("#seconds", "120")
        control.check("#names")
        control.screenshot(path=FOLDER / "teach-open-dark.png")
        control.click(".mm-primary")
        code = control.locator(".cr-code").inner_text()
        key = control.evaluate(f"JSON.parse(localStorage.getItem('medmamba-room-{code}')).key")
        room = f"{address}/classroom/rooms/{code}"
        choices = [name for name, _ in deck.classes]
        screens = {
            theme: open_page(browser, f"{address}/classroom/projector#{code}.{key}", theme, SCREEN)
            for theme in ("dark", "light")
        }
        phones = {
            theme: open_page(browser, f"{address}/classroom/#{code}", theme, PHONE) for theme in ("dark", "light")
        }
        for theme, phone in phones.items():
            phone.wait_for_selector("#name")
            phone.screenshot(path=FOLDER / f"phone-join-{theme}.png")
            phone.fill("#name", "Max")
            phone.click(".mm-primary")
        keys = [
            send("POST", f"{room}/students", body={"name": NAMES[i] if i < len(NAMES) else ""})["key"]
            for i in range(STUDENTS)
        ]

        def shoot(name: str, marker: str) -> None:
            for theme, screen in screens.items():
                screen.wait_for_selector(marker)
                screen.wait_for_timeout(1500)
                screen.screenshot(path=FOLDER / f"projector-{name}-{theme}.png", full_page=True)

        def forward(step: str) -> None:
            with control.expect_response(lambda response: "/steps" in response.url):
                control.click(f".cr-large[data-step={step}]")

        for screen in screens.values():
            screen.locator(".cr-count", has_text=f"{STUDENTS + 2}").wait_for()
        shoot("lobby", ".cr-qr[src]")
        for position, case in enumerate(deck.cases[:3]):
            forward("next" if position else "start")
            for theme, phone in phones.items():
                phone.locator("h1", has_text=f"Case {position + 1}").wait_for()
                labels = phone.locator(".cr-choice label")
                labels.nth(position % labels.count()).click()
                phone.locator(".cr-confidence label").nth(1).click()
                phone.locator(".cr-frame").click(position={"x": 150, "y": 160})
                phone.wait_for_timeout(2500)
                if position == 0:
                    phone.screenshot(path=FOLDER / f"phone-open-{theme}.png", full_page=True)
            answer(room, keys, position, case.truth, choices)
            if position == 0:
                shoot("open", ".cr-stage-open")
            forward("close")
            if position == 0:
                shoot("histogram", ".cr-stage-closed")
                control.screenshot(path=FOLDER / "control-dark.png", full_page=True)
            forward("reveal")
            if position == 0:
                shoot("reveal", ".cr-stage-revealed")
                for theme, phone in phones.items():
                    phone.wait_for_selector(".cr-truth")
                    phone.wait_for_timeout(1000)
                    phone.screenshot(path=FOLDER / f"phone-reveal-{theme}.png", full_page=True)
        control.wait_for_selector("[data-step=next], [data-step=end].cr-large")
        control.on("dialog", lambda dialog: dialog.accept())
        control.click("[data-step=end]")
        shoot("results", ".cr-results")
        control.wait_for_selector(".cr-results")
        control.screenshot(path=FOLDER / "control-results-dark.png", full_page=True)
        phones["dark"].wait_for_selector(".cr-score")
        phones["dark"].screenshot(path=FOLDER / "phone-end-dark.png")
        send("DELETE", room, key)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
