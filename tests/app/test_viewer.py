"""The viewer's controls, keys and drags in a real browser."""

import io
import itertools
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import expect
from pydicom.data import get_testdata_file

from app.frames import describe, frame_of
from medmamba import images
from medmamba.images.fuzz_seeds import dicom
from medmamba.saliency import METHODS
from tests.app.browsing import ask, open_picture, pixels, readout, settle
from tests.app.conftest import make_pages

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ct():
    with open(get_testdata_file("CT_small.dcm"), "rb") as file:
        return file.read()


def zoom(page):
    return int(readout(page).split(" %")[0].split()[-1])


def greys(page, image, *presets):
    """What the browser draws of the open picture, for each preset; and whether it has a value under each pixel."""
    address = "performance.getEntriesByType('resource').map(e => e.name).find(n => /pictures.*0$/.test(n))"
    drawn, has_value = page.evaluate(
        """async ([description, address, names]) => {
          const {Picture} = await import(new URL("viewer/picture.js", document.baseURI));
          const picture = await Picture.fetch({...description, address}), {width, height} = picture;
          const drawn = names.map((name) => {
            const window = picture.presets.find((preset) => preset.name === name);
            const {data} = picture.render(window, false).getContext("2d").getImageData(0, 0, width, height);
            return Array.from(data).filter((_, i) => !(i % 4));
          });
          const places = Array.from({length: width * height}, (_, i) => [i % width, Math.floor(i / width)]);
          return [drawn, places.map((place) => picture.valueAt(...place) !== null)];
        }""",
        [describe(image, frame_of(image)), page.evaluate(address), presets],
    )
    shape = image.pixels.shape
    return [np.array(grey).reshape(shape) for grey in drawn], np.array(has_value).reshape(shape)


def test_the_browser_draws_the_same_greys_as_the_reader(page, ct):
    open_picture(page, ct)
    settle(page)
    image = images.read(ct)
    drawn, _ = greys(page, image, "default", "soft_tissue", "brain")
    for grey, window in zip(drawn, (None, (40, 400), (40, 80)), strict=True):
        assert np.array_equal(grey, image.display(window)[..., 0])


@pytest.mark.parametrize("inverted", [False, True])
def test_the_browser_draws_what_is_no_number_black_and_has_no_value_there(page, inverted):
    values = np.add.outer(np.arange(32), np.arange(32)).astype(np.float32)
    values[8:12] = np.nan
    data = dicom(values, PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2")
    open_picture(page, data)
    settle(page)
    image = images.read(data)
    (drawn,), has_value = greys(page, image, "default")
    assert np.abs(drawn - image.display()[..., 0].astype(int)).max() <= 1
    assert (drawn[8:12] == 0).all()
    assert np.array_equal(has_value, np.isfinite(values))


def test_ct_presets_by_key_and_click(page, ct):
    open_picture(page, ct)
    settle(page)
    for key, words in zip(
        "12345", ["W 400 L 40", "W 1500 L -600", "W 150 L 90", "W 2500 L 480", "W 80 L 40"], strict=True
    ):
        page.keyboard.press(key)
        assert words in readout(page)
    page.get_by_role("button", name="Lung").click()
    assert "W 1500 L -600" in readout(page)
    assert page.locator("[data-preset='2']").get_attribute("aria-pressed") == "true"


def test_values_and_windows_have_the_decimal_mark_of_the_language(visit):
    picture = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    picture.RescaleSlope, picture.RescaleIntercept = "0.001", "-1.0234"
    picture.WindowWidth, picture.WindowCenter = "1.5", "0.25"
    buffer = io.BytesIO()
    picture.save_as(buffer)
    page = visit(locale="de-AT")
    open_picture(page, buffer.getvalue())
    page.locator(".mm-pane:visible").first.hover()
    shown = readout(page)
    assert re.search(r": -?0,\d{3,}", shown), shown
    assert "." not in shown


def test_orientation_letters_follow_turns_and_mirrors(page, ct):
    open_picture(page, ct)
    settle(page)

    def edges():
        return [page.locator(f".mm-edge-{side}").last.inner_text() for side in ("left", "right", "top", "bottom")]

    assert edges() == ["R", "L", "A", "P"]
    page.keyboard.press("h")
    assert edges() == ["L", "R", "A", "P"]
    page.keyboard.press("v")
    assert edges() == ["L", "R", "P", "A"]
    page.locator(".mm-stage").focus()
    page.keyboard.press(" ")
    page.keyboard.press("r")
    assert edges() == ["P", "A", "R", "L"]


@pytest.mark.parametrize(("spacing", "unit"), [("0.5", "cm"), ("0.07", "mm"), ("0.0005", "µm")])
def test_the_rule_fits_the_picture_from_ct_to_microscope(page, ct, spacing, unit):
    picture = pydicom.dcmread(io.BytesIO(ct))
    picture.PixelSpacing = [spacing, spacing]
    buffer = io.BytesIO()
    picture.save_as(buffer)
    open_picture(page, buffer.getvalue())
    settle(page)
    rule, pane = page.locator(".mm-rule:visible").last, page.locator(".mm-pane:visible").last
    words = rule.inner_text()
    assert words.endswith(unit)
    assert 20 < rule.bounding_box()["width"] < 0.45 * pane.bounding_box()["width"]
    shown = float(words.split()[0]) * {"cm": 10, "mm": 1, "µm": 0.001}[unit] / float(spacing) * zoom(page) / 100
    assert rule.bounding_box()["width"] == pytest.approx(shown, rel=0.05, abs=3)


def test_what_is_written_over_a_picture_can_be_read_on_white(page, ct):
    open_picture(page, ct)
    script = """(element) => {
      const style = getComputedStyle(element), numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
      return [numbers(style.color), numbers(style.backgroundColor)];
    }"""
    for name in ("readout", "edge-left"):
        ink, (*below, share) = page.locator(f".mm-stage .mm-{name}:visible").first.evaluate(script)
        paper = [part * share + 255 * (1 - share) for part in below]
        assert (luminance(ink) + 0.05) / (luminance(paper) + 0.05) > 4.5  # WCAG 2.2, 1.4.3


def luminance(colour):
    red, green, blue = (((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)  # none of them is nearly black
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_unknown_orientation_is_said(page, png):
    open_picture(page, png())
    assert page.locator("[data-part=unknown]").is_visible()


def test_keys_change_the_picture_at_once(page, png):
    open_picture(page, png())
    ask(page, "kidney-ct")
    settle(page)
    page.locator(".mm-stage").focus()
    before = pixels(page)
    for key in "ihvr+-o":
        page.keyboard.press(key)
        assert pixels(page) != before, key
        page.keyboard.press(" ")
        if key == "o":
            page.keyboard.press("o")
        assert pixels(page) == before, key


def test_zoom_stays_under_the_pointer_and_drags_move(page, png):
    open_picture(page, png())
    settle(page)
    box = page.locator(".mm-stage").bounding_box()
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3
    page.mouse.move(x, y)
    under, fitted = readout(page).split(":")[0], zoom(page)
    page.mouse.wheel(0, -600)
    page.wait_for_function(
        "(f) => parseInt(document.querySelector('[data-part=readout]').textContent) !== f", arg=fitted
    )
    page.mouse.move(x + 1, y)
    page.mouse.move(x, y)
    assert readout(page).split(":")[0] == under
    assert zoom(page) > fitted
    before = pixels(page)
    page.mouse.down()
    page.mouse.move(x + 120, y + 60, steps=4)
    page.mouse.up()
    assert pixels(page) != before
    page.mouse.dblclick(x, y)
    page.mouse.move(x, y)
    assert zoom(page) == fitted


def test_dragging_sets_the_window_on_full_depth_values(page, ct):
    open_picture(page, ct)
    settle(page)
    page.keyboard.press("1")
    box = page.locator(".mm-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 20, steps=4)
    page.mouse.up()
    width, centre = (int(part) for part in readout(page).split("W ")[1].replace("L ", "").split())
    assert width > 400
    assert centre < 40
    page.mouse.move(x, y)
    assert "HU" in readout(page)


@pytest.mark.parametrize(("button", "held"), [("right", None), ("left", "Shift")])
def test_the_right_button_and_shift_set_the_window_whatever_the_tool(page, png, button, held):
    open_picture(page, png())
    settle(page)
    before, fitted = readout(page).split("W ")[1], zoom(page)
    drag(page, button, held)
    assert readout(page).split("W ")[1] != before
    assert zoom(page) == fitted


def test_the_middle_button_moves_whatever_the_tool(page, ct):
    open_picture(page, ct)
    settle(page)
    before, shown = readout(page).split("W ")[1], pixels(page)
    drag(page, "middle")
    assert readout(page).split("W ")[1] == before
    assert pixels(page) != shown


def drag(page, button, held=None):
    box = page.locator(".mm-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    if held:
        page.keyboard.down(held)
    page.mouse.down(button=button)
    page.mouse.move(x + 50, y + 30, steps=4)
    page.mouse.up(button=button)
    if held:
        page.keyboard.up(held)
    page.mouse.move(5, 5)


def test_one_to_one_fit_and_the_keys_for_them(page, png):
    open_picture(page, png())
    settle(page)
    fitted = zoom(page)
    page.get_by_role("button", name="Actual size").click()
    assert zoom(page) == 100
    page.keyboard.press("=")
    assert zoom(page) == 125
    page.keyboard.press("0")
    assert zoom(page) == fitted


def test_the_part_in_view_becomes_a_picture_of_its_own(page, png):
    open_picture(page, png(400, 300))
    settle(page)
    part = page.locator("[data-do=part]")
    assert part.is_disabled(), "all of it is in view"
    page.keyboard.press("x")
    page.locator(".mm-pane:visible").last.hover()
    for _ in range(6):
        page.keyboard.press("+")
    with page.expect_request("**/part?*") as sent:
        page.keyboard.press("x")
    asked = {name: int(value[0]) for name, value in parse_qs(urlsplit(sent.value.url).query).items()}
    assert 40 < asked["width"] < 300
    assert abs(asked["left"] + asked["width"] / 2 - 200) < 3, "the middle is in view"
    assert abs(asked["top"] + asked["height"] / 2 - 150) < 3
    page.wait_for_selector("text=This is a part of a larger picture.")
    assert "2 of 2" in page.locator("[data-part=cases] output").inner_text()
    assert part.is_disabled()
    page.keyboard.press("p")
    page.wait_for_selector("text=1 of 2")
    page.wait_for_selector("text=This is a part of a larger picture.", state="detached")


def test_what_is_in_view_of_a_turned_and_mirrored_picture(page):
    """A pane of 100 x 100 on a picture of 400 x 200 at twice its size, centred a quarter from its left and top."""
    script = """async () => {
      const {View} = await import(new URL("viewer/view.js", document.baseURI));
      const picture = {width: 400, height: 200}, seen = [];
      for (const change of [{}, {turns: 1}, {turns: 2, mirrored: true}, {zoom: null}, {centre: [0, 1]}]) {
        const view = Object.assign(new View(), {zoom: 2, centre: [0.25, 0.25]}, change);
        const {left, top, width, height} = view.visible(picture, 100, 60);
        seen.push([left, top, width, height]);
      }
      return seen;
    }"""
    seen = page.evaluate(script)
    assert seen[0] == [75, 35, 50, 30]
    assert seen[1] == [85, 25, 30, 50], "a quarter turn swaps the sides"
    assert seen[2] == seen[0]
    assert seen[3] == [0, 0, 300, 170]
    assert seen[4] == [0, 185, 25, 15], "no further than the picture"


def test_opacity_colours_and_sign_act_without_the_server(page, png):
    open_picture(page, png())
    ask(page, "kidney-ct")
    settle(page)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    seen = [pixels(page)]
    page.locator("[data-set=opacity]").fill("100")
    seen.append(pixels(page))
    for colormap in ("viridis", "inferno", "grey"):
        page.select_option("[data-set=colormap]", colormap)
        seen.append(pixels(page))
    page.locator("[data-set=signed]").check()
    seen.append(pixels(page))
    assert page.locator("[data-part=low]").inner_text() == "speaks against"
    page.locator("[data-set=opacity]").fill("0")
    seen.append(pixels(page))
    assert all(a != b for a, b in itertools.pairwise(seen))
    assert requests == []


def test_side_by_side_moves_together(page, png):
    open_picture(page, png())
    ask(page, "kidney-ct")
    settle(page)
    page.keyboard.press("b")
    expect(page.locator(".mm-pane:visible")).to_have_count(2)
    before = pixels(page, 0), pixels(page, 1)
    page.keyboard.press("+")
    assert (pixels(page, 0) != before[0], pixels(page, 1) != before[1]) == (True, True)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_map(page, png, method):
    open_picture(page, png())
    ask(page, "kidney-ct")
    settle(page)
    offered = page.locator("[data-set=method] option").evaluate_all("options => options.map((o) => o.value)")
    assert offered == list(METHODS)
    note = page.locator("[data-part=note]").inner_text()
    page.select_option("[data-set=method]", method)
    page.select_option("[data-set=stage]", "2")
    page.wait_for_function("(n) => document.querySelector('[data-part=note]').textContent !== n", arg=note)
    settle(page)
    assert page.locator("[data-part=error]").is_hidden()


def test_frames_by_slider_and_key(page):
    open_picture(page, make_pages(40, 100, 160))
    settle(page)
    assert page.locator("[data-part=frameNumber]").inner_text() == "1 of 3"
    first = pixels(page)
    page.locator("[data-set=frame]").fill("3")
    page.wait_for_selector("text=3 of 3")
    assert pixels(page) != first
    page.locator(".mm-stage").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("text=2 of 3")


def test_each_frame_has_its_own_default_window_and_keeps_one_set_by_hand(page):
    frames = [np.full((40, 50), 500, np.uint16), np.arange(2000, dtype=np.uint16).reshape(40, 50)]
    buffer = io.BytesIO()
    first, second = map(Image.fromarray, frames)
    first.save(buffer, "TIFF", save_all=True, append_images=[second])
    open_picture(page, buffer.getvalue())
    settle(page)
    page.locator("[data-set=frame]").fill("2")
    page.wait_for_selector("text=2 of 2")
    settle(page)
    assert len(set(pixels(page))) > 100, "not black and white alone"
    assert page.locator("[data-preset='0']").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Dark parts").click()
    page.locator("[data-set=frame]").fill("1")
    page.wait_for_selector("text=1 of 2")
    assert page.get_by_role("button", name="Dark parts").get_attribute("aria-pressed") == "true"
    drag(page, "right")
    by_hand = readout(page).split("W ")[1]
    page.locator("[data-set=frame]").fill("2")
    page.wait_for_selector("text=2 of 2")
    assert readout(page).split("W ")[1] == by_hand


def test_next_and_previous_picture(page, png):
    open_picture(page, png(), png(50, 90, seed=1))
    page.wait_for_selector("text=1 of 2")
    page.keyboard.press("n")
    page.wait_for_selector("text=2 of 2")
    page.keyboard.press("p")
    page.wait_for_selector("text=1 of 2")


def test_help_lists_the_keys(page, png):
    open_picture(page, png())
    page.keyboard.press("?")
    assert "Invert" in page.locator(".mm-help").inner_text()
    page.keyboard.press("Escape")
    expect(page.locator(".mm-help")).to_have_count(0)


def test_caps_lock_changes_no_key(page, png):
    open_picture(page, png())
    settle(page)
    press = """(options) => document.body.dispatchEvent(new KeyboardEvent("keydown", {bubbles: true, ...options}))"""
    inverted = page.locator("[data-do=invert]")
    page.evaluate(press, {"key": "I", "ctrlKey": True})
    expect(inverted).to_have_attribute("aria-pressed", "false")
    page.evaluate(press, {"key": "I"})
    expect(inverted).to_have_attribute("aria-pressed", "true")
    page.evaluate(press, {})  # as browsers send it for a field that they fill in
    page.keyboard.press("Shift+?")
    expect(page.locator(".mm-help")).to_be_visible()
