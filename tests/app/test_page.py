"""The page in a real browser. Needs Chromium and Playwright; nothing but the local server may be asked."""

import re

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, running):
    """A fresh visitor who has closed the notice; fails on script errors and on requests to other hosts."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-US")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda r: None if r.url.startswith((running.address, "data:", "blob:")) else faults.append(r.url)
    )
    page.goto(running.address)
    page.get_by_role("button", name="I understand").click()
    yield page
    context.close()
    assert faults == []


def open_picture(page, data, name="picture.png"):
    page.set_input_files("[data-part=file]", {"name": name, "mimeType": "application/octet-stream", "buffer": data})
    page.wait_for_selector(".mm-recognised")


def ask(page, task):
    page.select_option("[data-ask=task]", task)
    page.wait_for_selector(".mm-override")


def test_a_picture_is_classified_and_explained(page, png, running):
    open_picture(page, png(512, 512))
    ask(page, "kidney-ct")
    labels = page.locator(".mm-bars .mm-label").all_inner_texts()
    values = page.locator(".mm-bars .mm-value").all_inner_texts()
    assert sorted(labels) == ["Cyst", "Normal", "Tumor"]
    assert all(re.fullmatch(r"[<>]?\d+\.\d %", value) for value in values)
    page.wait_for_selector("[data-part=scale]:visible")
    page.get_by_role("button", name="Tumor").click()
    page.wait_for_selector(".mm-bars [data-class=tumor][aria-pressed=true]")
    assert "research and education only" in page.locator(".mm-strip").inner_text().lower()


def test_what_is_no_picture_is_refused_in_words(page):
    page.set_input_files("[data-part=file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"hello"})
    page.wait_for_selector("[data-part=error]:visible")
    assert page.locator("[data-part=error]").inner_text().endswith(".")
