"""The page for fingers, keyboards, and people who asked for less motion; and for whom it talks to."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.app.browsing import ask, axe_faults, open_picture, pixels, readout

pytestmark = pytest.mark.browser


@pytest.fixture
def touched(visit, png):
    """A page for fingers with a picture open, zoomed to fit."""
    page = visit(has_touch=True)
    open_picture(page, png())
    page.wait_for_function("!document.querySelector('[data-part=busy]').textContent")
    return page


@contextmanager
def fingers(page, *places) -> Iterator[object]:
    """Fingers on the glass at some places; yields what moves them all."""
    session = page.context.new_cdp_session(page)

    def send(kind, places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", places)
    yield lambda *places: send("touchMove", places)
    send("touchEnd", [])
    session.detach()


def place_in_picture(page, x, y):
    page.mouse.move(x, y + 1)
    page.mouse.move(x, y)
    return tuple(int(part) for part in readout(page).split(":")[0].split(","))


def zoom(page):
    page.mouse.move(5, 5)
    return int(readout(page).split(" %")[0].split()[-1])


def middle_of_the_stage(page):
    box = page.locator(".mm-stage").bounding_box()
    return box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.4


def test_two_fingers_zoom_about_the_point_between_them(touched):
    x, y = middle_of_the_stage(touched)
    before, under = zoom(touched), place_in_picture(touched, x, y)
    with fingers(touched, (x - 40, y), (x + 40, y)) as move:
        for step in range(1, 9):
            move((x - 40 - 10 * step, y), (x + 40 + 10 * step, y))
    assert zoom(touched) == pytest.approx(3 * before, rel=0.05)  # 240 pixels apart instead of 80
    assert place_in_picture(touched, x, y) == pytest.approx(under, abs=1)


def test_one_finger_moves_the_picture_with_it(touched):
    x, y = middle_of_the_stage(touched)
    under, fitted = place_in_picture(touched, x, y), zoom(touched)
    with fingers(touched, (x, y)) as move:
        for step in range(1, 6):
            move((x + 12 * step, y + 8 * step))
    assert place_in_picture(touched, x + 60, y + 40) == pytest.approx(under, abs=1)
    assert zoom(touched) == fitted


MOVING = """() => [...document.querySelectorAll("*")]
  .filter((element) => {
    const style = getComputedStyle(element), seconds = (text) => Math.max(...text.split(",").map(parseFloat));
    return seconds(style.transitionDuration) > 0.001
      || (style.animationName !== "none" && seconds(style.animationDuration) > 0.001);
  })
  .map((element) => `${element.tagName} ${element.className}`)"""


def test_nothing_moves_for_those_who_asked_for_less_motion(visit, png):
    assert visit().evaluate(MOVING) != []
    page = visit(reduced_motion="reduce")
    open_picture(page, png())
    assert page.evaluate(MOVING) == []


FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const name = (element) => element.dataset.do ?? element.dataset.set ?? element.dataset.header ?? element.dataset.open
    ?? element.dataset.preset ?? element.dataset.example ?? element.dataset.class ?? element.dataset.ask
    ?? element.dataset.report ?? element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 30);
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  return {
    name: `${element.tagName} ${name(element)}`,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5,
    seen: box.width > 0 && box.height > 0,
  };
}"""
CONTROLS = """() => [...document.querySelectorAll("button, select, input, summary, a[href], [tabindex='0']")]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .filter((element) => !element.disabled && element.tabIndex >= 0)
  .length"""


def test_tab_reaches_every_control_and_shows_where_it_is(page, png):
    open_picture(page, png(), png(seed=1))
    ask(page, "kidney-ct")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.locator(".mm-header h1").click()
    reached = []
    for _ in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        reached.append(focused)
    assert [stop["name"] for stop in reached if not (stop["ring"] and stop["seen"])] == []
    assert len(reached) == page.evaluate(CONTROLS) > 40


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_the_dialogs(page, png, theme):
    page.context.grant_permissions(["camera"])
    if theme == "light":
        page.get_by_role("button", name="Dark or light").click()
    open_picture(page, png())
    faults = []
    for opener in ("[data-header=about]", "[data-do=help]", "[data-open=photo]"):
        page.click(opener)
        page.wait_for_selector(".mm-dialog[open]")
        faults += axe_faults(page)
        page.keyboard.press("Escape")
        expect(page.locator(".mm-dialog")).to_have_count(0)
    assert faults == []


def test_a_whole_visit_asks_no_other_host(visit, running, png):
    page = visit()
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.click("[data-example='0']")
    page.wait_for_selector(".mm-recognised")
    open_picture(page, png())
    ask(page, "kidney-ct")
    page.select_option("[data-set=method]", "integrated-gradients")
    page.get_by_role("button", name="How far can this map be trusted?").click()
    page.wait_for_selector("text=Blurring the marked tenth changes")
    with page.expect_download():
        page.click("[data-report=png]")
    assert pixels(page)
    page.get_by_role("tab", name="Models").click()
    page.wait_for_selector(".mm-model")
    page.get_by_role("button", name="Rescan").click()  # answered long before the page is left, which would abort it
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("[data-part=files]", {"name": "a.png", "mimeType": "image/png", "buffer": png(seed=2)})
    page.wait_for_selector(".mm-batch td img")
    page.wait_for_selector("[data-do=cancel]", state="hidden")
    page.select_option("[data-header=language]", "de")
    page.get_by_role("tab", name="Klassifizieren").wait_for()
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((running.address, "data:", "blob:"))] == []
