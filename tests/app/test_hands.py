"""What hands do to the page: pinches, keys held by the browser, quick presses, fields that are written in meanwhile."""

import pytest
from playwright.sync_api import expect

from tests.app import test_classroom_page as rooms
from tests.app import test_learn as learning
from tests.app.browsing import open_picture, readout, settle
from tests.app.conftest import make_pages

pytestmark = pytest.mark.browser
seat, deck = rooms.seat, rooms.deck

TOUCH = """([x, y, id, kind]) => document.elementFromPoint(x, y).dispatchEvent(new PointerEvent(kind, {
  pointerId: id, pointerType: "touch", button: 0, clientX: x, clientY: y, bubbles: true, cancelable: true}))"""
FREE = "() => (HTMLElement.prototype.setPointerCapture = () => {})"  # pointers that no hand holds cannot be captured


def touch(page, kind, pointer, x, y):
    page.evaluate(TOUCH, [x, y, pointer, f"pointer{kind}"])


def test_a_pinch_beside_the_original_zooms_where_the_fingers_are(page, png):
    open_picture(page, png(400, 400))
    settle(page)
    page.keyboard.press("b")
    page.evaluate(FREE)
    box = page.locator(".mm-pane:visible").last.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + 60, y)
    before = readout(page).split(":")[0]
    touch(page, "down", 11, x + 60, y)
    touch(page, "down", 12, x + 40, y)
    touch(page, "move", 12, x + 20, y)  # about the middle of both fingers, x + 40
    touch(page, "up", 12, x + 20, y)
    touch(page, "up", 11, x + 60, y)
    page.mouse.move(x + 40, y)
    place = int(readout(page).split(",")[0])
    assert abs(place - (int(before.split(",")[0]) - 20 * 400 / box["height"])) < 25


@pytest.mark.parametrize("button", ["left", "middle"])
def test_a_drag_on_the_picture_selects_no_text_and_scrolls_no_page(page, png, button):
    open_picture(page, png())
    settle(page)
    page.evaluate("addEventListener('mousedown', (event) => (window.wasTaken = event.defaultPrevented))")
    page.locator(".mm-stage").click(button=button)
    assert page.evaluate("window.wasTaken")
    assert page.evaluate("document.activeElement.matches('.mm-stage')")


def test_quick_presses_step_as_many_frames(page):
    open_picture(page, make_pages(*range(20, 220, 40)))
    settle(page)
    page.locator(".mm-stage").focus()
    page.evaluate("""() => {
      const press = new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true});
      for (let i = 0; i < 3; i++) document.querySelector(".mm-stage").dispatchEvent(press);
    }""")
    page.wait_for_selector("text=4 of 5")


def test_one_to_one_is_a_hundred_per_cent_on_a_fine_screen_too(visit, png):
    page = visit(device_scale_factor=2)
    open_picture(page, png(400, 400))
    settle(page)
    page.get_by_role("button", name="Actual size, one to one").click()
    assert "100 %" in readout(page)


def test_two_tables_of_the_same_span_are_drawn_each_for_itself(page):
    greys = page.evaluate("""async () => {
      const {Picture} = await import(new URL("viewer/picture.js", document.baseURI));
      const size = {shownWidth: 1, shownHeight: 1, slope: 1, intercept: 0, inverted: false};
      const picture = new Picture(size, new Uint16Array([1]));
      const span = {function: "LUT", centre: 1, width: 2, low: 0, high: 1};
      return [[0, 0], [1, 1]].map((shares) => {
        const canvas = picture.render({...span, shares}, false);
        return canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
      });
    }""")
    assert greys == [0, 255]


def test_hidden_files_of_a_chosen_folder_are_left_out(page):
    names = page.evaluate("""async () => {
      const {named} = await import(new URL("viewer/files.js", document.baseURI));
      const paths = ["study/1.dcm", "study/.DS_Store", "study/.git/HEAD", ""];
      const files = paths.map((path) => ({name: path.split("/").at(-1) || ".chosen", webkitRelativePath: path}));
      return named(files).map(({name}) => name);
    }""")
    assert names == ["study/1.dcm", ".chosen"]


def test_a_proxy_s_page_is_not_shown_for_an_answer(page, png):
    page.route(
        "**/pictures", lambda route: route.fulfill(content_type="text/html", body="<html><h1>Log in</h1></html>")
    )
    page.set_input_files("[data-part=file]", {"name": "a", "mimeType": "image/png", "buffer": png()})
    expect(page.locator("[data-part=error]:visible")).to_contain_text("The server did not answer.")


def test_words_that_were_lost_on_the_way_are_asked_for_again(browser, running):
    context = browser.new_context(locale="en-US")
    page, asked = context.new_page(), []

    def lose(route):
        asked.append(route.request.url)
        route.abort() if len(asked) == 1 else route.continue_()

    page.route("**/texts/*", lose)
    page.goto(running.address)
    page.wait_for_selector(".mm-notice")
    context.close()


def test_pictures_that_are_added_leave_the_cursor_where_it_is(page, png):
    learning.enter(page)
    page.get_by_role("button", name="Make a deck").click()
    title = page.locator("[data-field='editor.deckTitle']")
    title.focus()
    payload = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": png(seed=i)} for i in range(3)]
    page.set_input_files("[data-part=editor-add]", payload)
    expect(page.locator(".mm-cases li:has(img)")).to_have_count(3)
    assert page.evaluate("document.activeElement.dataset.field") == "editor.deckTitle"
    expect(page.locator("[data-act='editor.down']:disabled")).to_have_count(1)
    expect(page.locator(".mm-cases li").last.locator("[data-act='editor.down']")).to_be_disabled()
    page.locator("[data-act='editor.delete']").first.click()
    expect(page.locator(".mm-cases li:has(img)")).to_have_count(2)


def test_the_deck_that_was_chosen_last_is_started(page):
    learning.enter(page)
    held = []
    page.route("**/quizzes?deck=*", lambda route: held.append(route))
    starts = page.locator("[data-deck] button")
    starts.nth(0).click()
    starts.nth(1).click()
    page.wait_for_timeout(300)
    held[1].continue_()
    page.wait_for_selector("[data-part=commit]")
    title = page.locator(".mm-learn-panel .mm-eyebrow").inner_text()
    with page.expect_response("**/quizzes?deck=*"):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert page.locator(".mm-learn-panel .mm-eyebrow").inner_text() == title


def test_one_viewer_serves_all_quizzes(page):
    learning.enter(page)
    page.evaluate("""() => {
      window.listeners = 0;
      const listen = document.addEventListener.bind(document);
      document.addEventListener = (kind, ...rest) => {
        window.listeners += kind === "keydown";
        listen(kind, ...rest);
      };
    }""")
    for _ in range(2):
        page.locator("[data-deck] button").first.click()
        page.wait_for_selector("[data-part=commit]")
        page.locator(".mm-choice input").first.check()
        page.locator(".mm-confidence input").first.check()
        page.click("[data-part=commit]")
        page.wait_for_selector(".mm-verdict")
        page.get_by_role("button", name="Stop and see your result").click()
        page.get_by_role("button", name="Other decks").click()
        page.wait_for_selector("[data-deck]")
    assert page.evaluate("window.listeners") == 1


def test_a_pinch_leaves_no_mark(page):
    learning.enter(page)
    page.locator("[data-deck] button").first.click()
    page.wait_for_selector("[data-part=commit]")
    page.evaluate(FREE)
    box = page.locator(".mm-learn .mm-pane:visible").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch(page, "down", 11, x, y)
    touch(page, "down", 12, x + 40, y)
    touch(page, "move", 12, x + 80, y)
    touch(page, "up", 12, x + 80, y)
    touch(page, "up", 11, x, y)
    expect(page.locator("[data-part=unmark]")).to_be_hidden()
    touch(page, "down", 13, x, y)
    touch(page, "up", 13, x, y)
    expect(page.locator("[data-part=unmark]")).to_be_visible()


def test_the_browser_s_own_keys_stay_its_own(seat, deck):
    control, code = rooms.open_room(seat, deck)
    student = seat(f"#{code}", viewport={"width": 390, "height": 844})
    rooms.join(student, "Ann")
    control.click("[data-step=start]")
    student.wait_for_selector(".cr-choices")
    assert student.evaluate("document.activeElement.className") == "cr-frame", "the new case, not the page's end"
    pressed = """([element, key, held]) => {
      const event = new KeyboardEvent("keydown", {key, [held]: true, bubbles: true, cancelable: true});
      return document.querySelector(element).dispatchEvent(event);
    }"""
    assert student.evaluate(pressed, [".cr-frame", "+", "ctrlKey"])
    assert not student.evaluate(pressed, [".cr-frame", "+", "shiftKey"])
    with control.context.expect_page() as opened:
        control.click("a[href^=projector]")
    projector = opened.value
    projector.wait_for_selector("[data-forward]")
    assert projector.evaluate(pressed, ["body", "PageDown", "ctrlKey"])
    assert projector.evaluate(pressed, ["body", "ArrowRight", "altKey"])
    assert not projector.evaluate(pressed, ["body", "PageDown", "shiftKey"])


def test_the_answer_chosen_last_is_sent_last(seat, deck):
    control, code = rooms.open_room(seat, deck)
    student = seat(f"#{code}", viewport={"width": 390, "height": 844})
    rooms.join(student, "Ann")
    control.click("[data-step=start]")
    held = []
    student.route("**/answers/*", lambda route: route.continue_() if held else held.append(route))
    student.locator(".cr-choice label").nth(0).click()
    student.locator(".cr-confidence label").nth(0).click()
    student.wait_for_timeout(300)
    with student.expect_response("**/answers/*"):
        student.locator(".cr-choice label").nth(1).click()
        student.wait_for_timeout(500)
        assert len(held) == 1
        held[0].continue_()
    expect(student.locator(".cr-status")).to_contain_text("Saved")
    rooms.step(control, "close")
    expect(student.locator("#page")).to_contain_text("Your answer: Normal")
