"""Files dropped from outside the browser, by its own drags: taken where they belong, told where they cannot be read."""

import re

import pytest
from playwright.sync_api import expect

from tests.app import test_classroom_page as rooms
from tests.app.browsing import open_tab

pytestmark = pytest.mark.browser
seat, deck = rooms.seat, rooms.deck


def drop(page, selector, *files, text=None):
    """Drags files, or a text, from another program and drops them on an element."""
    box = page.locator(selector).bounding_box()
    items = [{"mimeType": "text/plain", "data": text}] if text else []
    data = {"items": items, "files": [str(file) for file in files], "dragOperationsMask": 1}
    driver = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + min(box["height"] / 2, 40)}
        driver.send("Input.dispatchDragEvent", {"type": kind, "data": data} | place)


@pytest.fixture
def picture(tmp_path, png):
    path = tmp_path / "picture.png"
    path.write_bytes(png())
    return path


def stays(page):
    """Whether a moment later the page is the one that it was, and no other is open."""
    page.evaluate("window.wasHere = true")
    page.wait_for_timeout(700)
    return page.evaluate("window.wasHere === true") and len(page.context.pages) == 1


@pytest.mark.parametrize("tab", ["Models", "Learn"])
def test_a_file_dropped_where_none_is_wanted_does_not_take_the_page_away(page, picture, tab):
    open_tab(page, tab)
    drop(page, "#mm-tabs", picture)
    assert stays(page)
    drop(page, ".mm-header", picture)
    assert stays(page)


def test_a_picture_and_a_folder_are_taken_wherever_they_are_dropped(page, picture, png):
    folder = picture.with_name("study")
    folder.mkdir()
    (folder / "a.png").write_bytes(png(seed=1))
    (folder / "b.png").write_bytes(png(seed=2))
    drop(page, ".mm-header", picture)
    page.wait_for_selector(".mm-recognised")
    drop(page, ".mm-stage", folder)
    expect(page.locator("[data-part=cases]")).to_contain_text("of 3")
    open_tab(page, "Batch")
    drop(page, ".mm-header", folder)
    page.wait_for_selector("text=Files: 2")


@pytest.mark.parametrize("tab", ["Classify", "Batch"])
def test_a_folder_without_files_is_told(page, tmp_path, tab):
    open_tab(page, tab)
    part = page.locator(f".mm-{'viewer' if tab == 'Classify' else 'batch'} [data-part=error]")
    drop(page, ".mm-header", tmp_path)
    expect(part).to_have_text("There was no file in this. Drop files, or a folder that holds some.")


LOCKED = """(error) => {
  const entry = error === "folder"
    ? {isDirectory: true, createReader: () => ({readEntries: (take, fail) => fail(new DOMException("no"))})}
    : {isFile: true};
  const file = new File(["x"], "gone.png");
  file.slice = () => ({arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError"))});
  const event = new DragEvent("drop", {bubbles: true, cancelable: true});
  const dataTransfer = {types: ["Files"], items: [{webkitGetAsEntry: () => entry}], files: [file]};
  Object.defineProperty(event, "dataTransfer", {value: dataTransfer});
  document.dispatchEvent(event);
}"""


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_the_browser_cannot_read_is_told(page, what):
    page.evaluate(LOCKED, what)
    expect(page.locator(".mm-viewer [data-part=error]")).to_have_text(re.compile("^The browser could not read this. "))
    expect(page.locator(".mm-viewer [data-part=busy]")).to_be_hidden()
    open_tab(page, "Batch")
    page.evaluate(LOCKED, what)
    expect(page.get_by_text("The browser could not read this.").locator("visible=true")).to_be_visible()


def test_fields_go_on_taking_text_and_files(seat, deck, picture):
    control = seat("teach")
    control.select_option("#deck", "")
    drop(control, "#zip", deck)
    assert control.evaluate("document.getElementById('zip').files[0].name") == "deck.zip"
    drop(control, "h1", picture)
    assert stays(control)
    student = seat("")
    student.fill("#name", "")
    drop(student, "#name", text="Ann")
    expect(student.locator("#name")).to_have_value("Ann")
    drop(student, "#name", picture)
    assert stays(student)
