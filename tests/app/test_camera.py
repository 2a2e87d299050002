"""A photograph through the page itself: with Chromium's made-up camera, without a camera, and without leave."""

import pytest
from playwright.sync_api import expect

from tests.app.conftest import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.browser
SENTENCE = "[data-part=error]:visible"


def test_a_photograph_is_classified_and_the_camera_let_go(page):
    page.context.grant_permissions(["camera"])
    page.evaluate(
        """() => {
          const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
          devices.getUserMedia = async (wish) => (window.stream = await open(wish));
        }"""
    )
    page.click("[data-open=photo]")
    page.get_by_role("button", name="Take the photo").click()
    page.wait_for_selector(".mm-recognised")
    expect(page.locator(".mm-camera")).to_have_count(0)
    assert page.evaluate("window.stream.getTracks().map((track) => track.readyState)") == ["ended"]


def test_cancel_and_escape_let_the_camera_go(page):
    page.context.grant_permissions(["camera"])
    for leave in (lambda: page.click(".mm-camera .mm-dialog-end button"), lambda: page.keyboard.press("Escape")):
        page.click("[data-open=photo]")
        video = page.wait_for_selector(".mm-camera video")
        track = video.evaluate_handle("(video) => video.srcObject.getTracks()[0]")
        leave()
        expect(page.locator(".mm-camera")).to_have_count(0)
        assert track.evaluate("(track) => track.readyState") == "ended"


def test_without_leave_it_is_said_in_a_sentence(page):
    page.context.grant_permissions([])
    page.click("[data-open=photo]")
    assert "did not allow the camera" in page.locator(SENTENCE).inner_text()


def test_without_a_camera_it_is_said_in_a_sentence(browser, running):
    without = [argument for argument in ARGUMENTS if "fake-device" not in argument]
    other = browser.browser_type.launch(executable_path=CHROMIUM, args=[*without, "--use-fake-ui-for-media-stream"])
    page = other.new_page(locale="de")
    page.goto(running.address)
    page.click(".mm-notice .mm-primary")
    page.click("[data-open=photo]")
    assert "hat keine Kamera" in page.locator(SENTENCE).inner_text()
    other.close()


def test_a_phone_opens_its_own_camera_program(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    with page.expect_file_chooser() as chooser:
        page.tap("[data-open=photo]")
    assert chooser.value.element.get_attribute("capture") == "environment"
