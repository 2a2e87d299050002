"""The pages of a room where something between them and the server, or the browser itself, is not as it should be."""

import json
import re

import httpx
import pytest
from playwright.sync_api import expect

from app.classroom.throttle import Throttle
from medmamba.deck import Case, Deck, write_deck
from tests.app.conftest import Running, make_png

pytestmark = pytest.mark.browser

CLASSES = (("cyst", "Cyst"), ("tumor", "Tumour"))
PAGE = {"content_type": "text/html; charset=utf-8", "body": "<!doctype html><title>Log in to this network</title>"}
CUT = {"content_type": "application/json", "body": '{"state": "lob'}
LOST = re.compile("The server does not answer")
UNANSWERED = re.compile("The server did not answer")
BLOCKED = """for (const kind of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, kind, { get() { throw new DOMException("denied", "SecurityError"); } });"""


@pytest.fixture(scope="module")
def running(checkpoint_root):
    """A server of these tests' own, on which one address may open as many rooms as there are tests."""
    with pytest.MonkeyPatch.context() as patch, Running(checkpoint_root) as running:
        patch.setattr(Throttle, "is_empty", lambda self, address: False)
        running.service.warm()
        yield running


@pytest.fixture
def enter(browser, running):
    """Opens a page of the classroom in a browser of its own, or beside another page; fails on script errors alone."""
    faults, contexts = [], []
    expect.set_options(timeout=30_000)

    def open_page(path, beside=None, before=lambda page: None, blocked=False):
        context = beside.context if beside else browser.new_context(locale="en-US")
        contexts.append(context)
        if blocked:
            context.add_init_script(BLOCKED)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        before(page)
        page.goto(f"{running.address}classroom/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


class Teacher:
    """Of a new room, over HTTP."""

    def __init__(self, address):
        cases = tuple(Case(make_png(seed=i), "cyst") for i in range(2))
        deck = write_deck(Deck("Two slices", "en", "own", CLASSES, cases))
        self.root = f"{address}classroom/rooms"
        opened = httpx.post(self.root, content=deck).raise_for_status().json()
        self.code, self.key = opened["code"], opened["key"]

    def ask(self, method, path):
        headers = {"authorization": f"Bearer {self.key}"}
        address = f"{self.root}/{self.code}/{path}".rstrip("/")
        return httpx.request(method, address, headers=headers).raise_for_status()

    def view(self):
        return self.ask("GET", "teacher").json()

    def take(self, *steps):
        for step in steps:
            self.ask("POST", f"steps?step={step}&version={self.view()['version']}")


@pytest.fixture
def teacher(running):
    return Teacher(running.address)


def join(page, name="Ann"):
    page.fill("#name", name)
    page.click(".mm-primary")
    page.wait_for_selector(".cr-menu")


def lead(enter, teacher, **options):
    """The control page of the room."""
    kept = f"localStorage.setItem('medmamba-room-{teacher.code}', '{json.dumps({'key': teacher.key})}')"
    return enter(f"teach#{teacher.code}", before=lambda page: page.add_init_script(kept), **options)


@pytest.mark.parametrize(
    "answer", [{"status": 502} | PAGE, {"status": 200} | PAGE, {"status": 403} | PAGE, {"status": 200} | CUT]
)
def test_what_is_not_the_rooms_answer_is_a_failure_that_passes(enter, teacher, answer):
    phone, control = enter(f"#{teacher.code}"), lead(enter, teacher)
    join(phone)
    expect(control.locator(".cr-people li")).to_have_count(1)
    for page, side in ((phone, "student"), (control, "teacher")):
        page.route(f"**/rooms/*/{side}", lambda route: route.fulfill(**answer))
    teacher.ask("PUT", "lock")  # so that there is something new to be told
    expect(phone.locator(".cr-status")).to_have_text(LOST)
    expect(control.locator(".cr-warning[role=alert]")).to_have_text(LOST)
    for page, side in ((phone, "student"), (control, "teacher")):
        page.unroute(f"**/rooms/*/{side}")
    teacher.take("start")
    expect(phone.locator(".cr-choice")).to_be_visible()
    expect(control.locator("[data-step=close]")).to_be_visible()
    expect(control.locator(".cr-warning[role=alert]")).to_be_hidden()


def hang(page, side, polls):
    """Leave so many of the page's polls without an answer; goes on when each is under way."""
    held = []
    page.clock.install()
    page.route(f"**/rooms/*/{side}", lambda route: held.append(route) if len(held) < polls else route.continue_())
    for number in range(polls):
        while len(held) == number:
            page.wait_for_timeout(50)
        yield


def test_a_poll_that_hangs_is_given_up_and_made_again(enter, teacher):
    projector_key = teacher.ask("POST", "projectors").json()["key"]
    phone, control = enter(f"#{teacher.code}"), lead(enter, teacher)
    projector = enter(f"projector#{teacher.code}.{projector_key}")
    join(phone)
    expect(control.locator(".cr-people li")).to_have_count(1)
    expect(projector.locator(".cr-code")).to_be_visible()
    control_line = control.locator(".cr-warning[role=alert]")
    lines = (phone.locator(".cr-status"), control_line, projector.locator(".cr-status"))
    for line, side in zip(lines, ("student", "teacher", "teacher"), strict=True):
        for _ in hang(line.page, side, polls=2):
            line.page.clock.fast_forward(10_000)
            expect(line).to_have_text(LOST)
    teacher.take("start")
    for page, new in ((phone, ".cr-choice"), (control, "[data-step=close]"), (projector, ".cr-list")):
        expect(page.locator(new)).to_be_visible()
    for line in lines:
        expect(line).not_to_have_text(LOST)


def test_a_poll_that_hangs_says_nothing_of_a_room_that_was_left(enter, teacher):
    phone = enter(f"#{teacher.code}")
    join(phone)
    next(hang(phone, "student", polls=1))
    phone.on("dialog", lambda dialog: dialog.accept())
    phone.click(".cr-menu summary")
    phone.get_by_role("button", name="Leave").click()
    expect(phone.locator("#code")).to_be_visible()
    join(phone, "Ann again")
    phone.clock.fast_forward(10_000)
    phone.wait_for_timeout(500)
    assert phone.locator(".cr-status").inner_text() == ""


@pytest.mark.parametrize("answer", [{"status": 502} | PAGE, {"status": 200} | PAGE])
def test_an_answer_that_did_not_reach_the_server_is_not_called_saved(enter, teacher, answer):
    phone = enter(f"#{teacher.code}")
    join(phone)
    teacher.take("start")
    phone.route("**/answers/0", lambda route: route.fulfill(**answer))
    phone.locator(".cr-choice label", has_text="Cyst").click()
    phone.locator(".cr-confidence label").first.click()
    expect(phone.locator(".cr-status")).to_have_text(LOST)
    assert teacher.view()["answered"] == 0
    phone.unroute("**/answers/0")
    expect(phone.locator(".cr-status")).to_have_text(re.compile("Saved"))
    assert teacher.view()["answered"] == 1


def test_an_answer_is_called_saved_again_when_the_server_is_back(enter, teacher):
    phone = enter(f"#{teacher.code}")
    join(phone)
    teacher.take("start")
    phone.locator(".cr-choice label", has_text="Cyst").click()
    phone.locator(".cr-confidence label").first.click()
    for is_away, words in ((False, re.compile("Saved")), (True, LOST), (False, re.compile("Saved"))):
        phone.context.set_offline(is_away)
        expect(phone.locator(".cr-status")).to_have_text(words)


def test_a_name_that_was_not_deleted_is_told_and_can_be_deleted_again(enter, teacher):
    phone = enter(f"#{teacher.code}")
    join(phone)
    phone.route("**/student/name", lambda route: route.fulfill(status=502, **PAGE))
    phone.click(".cr-menu summary")
    phone.get_by_role("button", name="Delete my nickname").click()
    expect(phone.get_by_role("alert")).to_have_text(UNANSWERED)
    expect(phone.locator(".cr-menu summary")).to_have_text("Ann")
    phone.unroute("**/student/name")
    phone.get_by_role("button", name="Delete my nickname").click()
    expect(phone.locator(".cr-menu summary")).to_have_text("#1")
    expect(phone.get_by_role("alert")).to_be_hidden()


def test_leaving_that_failed_is_told_at_the_end_of_a_room_too(enter, teacher):
    phone = enter(f"#{teacher.code}")
    join(phone)
    teacher.take("start", "end")
    phone.on("dialog", lambda dialog: dialog.accept())
    phone.route(
        "**/student",
        lambda route: route.fulfill(status=502, **PAGE) if route.request.method == "DELETE" else route.continue_(),
    )
    phone.locator(".cr-wait").get_by_role("button", name="Leave").click()
    expect(phone.get_by_role("alert")).to_have_text(UNANSWERED)
    assert teacher.view()["joined"] == 1


def test_joining_twice_by_a_hasty_finger_takes_one_place(enter, teacher):
    phone = enter(f"#{teacher.code}")
    phone.evaluate("""() => {
      const { fetch } = window, later = () => new Promise((resolve) => setTimeout(resolve, 500));
      window.fetch = async (...request) => (await later(), fetch(...request));
    }""")
    phone.dblclick(".mm-primary")
    phone.wait_for_selector(".cr-menu")
    phone.wait_for_timeout(1000)
    assert teacher.view()["joined"] == 1


def test_a_wrong_code_can_be_typed_again(enter, teacher):
    phone = enter("#AAAAAA")
    phone.click(".mm-primary")
    expect(phone.get_by_role("alert")).to_have_text(re.compile("There is no room with this code"))
    phone.fill("#code", teacher.code)
    join(phone)


def test_pictures_that_were_lost_on_the_way_are_asked_for_again(enter, teacher):
    projector_key = teacher.ask("POST", "projectors").json()["key"]
    lost = []

    def lose_once(route):
        lost.append(route.request.url)
        route.abort()

    def in_the_way(page):
        page.route("**/qr.svg*", lose_once, times=1)
        page.route("**/pictures/*", lose_once, times=1)

    projector = enter(f"projector#{teacher.code}.{projector_key}", before=in_the_way)
    expect(projector.locator(".cr-code")).to_be_visible()
    httpx.post(f"{teacher.root}/{teacher.code}/students", json={"name": "Ann"})
    expect(projector.locator(".cr-qr")).to_have_attribute("src", re.compile("^blob:"))
    teacher.take("start")
    expect(projector.locator(".cr-frame img")).to_have_js_property("naturalWidth", 96)
    assert len(lost) == 2


def test_only_the_main_button_of_a_mouse_marks(enter, teacher):
    phone = enter(f"#{teacher.code}")
    join(phone)
    teacher.take("start")
    expect(phone.locator(".cr-frame img")).to_have_js_property("naturalWidth", 96)
    phone.locator(".cr-frame").click(position={"x": 60, "y": 60}, button="right")
    expect(phone.locator(".cr-mark")).to_have_count(0)
    phone.locator(".cr-frame").click(position={"x": 60, "y": 60})
    expect(phone.locator(".cr-mark")).to_have_count(1)


def test_a_page_waits_for_its_words(enter):
    page = enter(
        "", before=lambda page: page.route("**/words/*", lambda route: route.fulfill(status=502, **PAGE), times=1)
    )
    expect(page.locator("#code")).to_be_visible()


def test_a_teacher_without_decks_is_told_and_can_ask_again(enter):
    control = enter("teach", before=lambda page: page.route("**/decks", lambda route: route.abort(), times=1))
    expect(control.get_by_role("alert")).to_have_text(UNANSWERED)
    control.get_by_role("button", name="Try again").click()
    expect(control.locator("#deck")).to_be_visible()
    expect(control.get_by_role("alert")).to_be_hidden()


def test_what_the_gate_refuses_is_told_in_its_words(enter, tmp_path):
    deck = tmp_path / "deck.zip"
    deck.write_bytes(write_deck(Deck("Slices", "en", "own", CLASSES, (Case(make_png(), "cyst"),))))
    control = enter("teach")
    refusal = {"status": 413, "content_type": "text/plain; charset=utf-8", "body": "What was sent is too large."}
    control.route("**/rooms?*", lambda route: route.fulfill(**refusal))
    control.select_option("#deck", "")
    control.set_input_files("#zip", deck)
    control.click(".mm-primary")
    expect(control.get_by_role("alert")).to_have_text("What was sent is too large.")


def test_a_browser_that_blocks_site_data_has_a_whole_room(enter, tmp_path):
    deck = tmp_path / "deck.zip"
    deck.write_bytes(write_deck(Deck("Slices", "en", "own", CLASSES, (Case(make_png(), "cyst"),))))
    control = enter("teach", blocked=True)
    control.click("[aria-label='Dark or light']")
    expect(control.locator("body")).not_to_have_class(re.compile("dark"))
    control.select_option("#deck", "")
    control.set_input_files("#zip", deck)
    control.click(".mm-primary")
    code = control.locator(".cr-code").inner_text()
    control.get_by_role("button", name="Deutsch").click()  # loads the page again
    expect(control.locator("[data-step=start]")).to_have_text("Ersten Fall zeigen")
    expect(control.locator(".cr-code")).to_have_text(code)
    expect(control.locator("body")).not_to_have_class(re.compile("dark"))

    phone = enter(f"#{code}", blocked=True)
    join(phone)
    phone.reload()
    expect(phone.locator(".cr-menu summary")).to_have_text("Ann")
    with control.expect_popup() as popup:
        control.get_by_role("link", name="Beamer-Ansicht öffnen").click()
    projector = popup.value
    for _ in range(2):
        expect(projector.locator(".cr-code")).to_have_text(code)
        assert projector.evaluate("location.hash") == f"#{code}"
        projector.reload()
    control.click("[data-step=start]")
    expect(phone.locator(".cr-choice")).to_be_visible()

    phone.on("dialog", lambda dialog: dialog.accept())
    phone.click(".cr-menu summary")
    phone.get_by_role("button", name="Leave").click()
    expect(phone.locator("#name")).to_be_visible()
    phone.reload()
    expect(phone.locator("#name")).to_be_visible()
    control.on("dialog", lambda dialog: dialog.accept())
    control.get_by_role("button", name="Diesen Raum jetzt löschen").click()
    expect(control.locator("#deck")).to_be_visible()
    expect(control.locator(".cr-earlier")).to_have_count(0)


def test_a_phone_that_slept_shows_what_time_is_left(enter, teacher):
    """performance.now() does not go on while a phone sleeps, on most of them."""
    deck = write_deck(Deck("Slices", "en", "own", CLASSES, (Case(make_png(), "cyst"),)))
    opened = httpx.post(f"{teacher.root}?seconds=600", content=deck).raise_for_status().json()
    teacher.code, teacher.key = opened["code"], opened["key"]
    phone = enter(f"#{teacher.code}", before=lambda page: page.add_init_script("performance.now = () => 5000"))
    join(phone)
    teacher.take("start")
    expect(phone.locator(".cr-left")).to_have_text(re.compile("59[0-8] s"))


def test_who_is_in_a_room_that_is_over_joins_another_and_keeps_the_answers(enter, teacher, running):
    phone = enter(f"#{teacher.code}")
    join(phone)
    teacher.take("start")
    phone.locator(".cr-choice label").first.click()
    phone.locator(".cr-confidence label").first.click()
    expect(phone.locator(".cr-status")).to_contain_text("Saved")
    teacher.take("end")
    phone.get_by_role("button", name="Join another room").click()
    expect(phone.locator("#code")).to_have_value("")
    later = Teacher(running.address)
    phone.fill("#code", later.code)
    join(phone)
    expect(phone.locator(".cr-menu summary")).to_have_text("Ann")
    phone.reload()  # under the address of the room before, it would ask for a code
    expect(phone.locator(".cr-menu summary")).to_have_text("Ann")
    assert later.view()["joined"] == 1
    assert teacher.view()["results"]["students"] == [1, 1]


def test_a_teacher_who_deletes_a_room_is_not_told_to_join_again(enter, teacher):
    control = lead(enter, teacher)
    control.on("dialog", lambda dialog: dialog.accept())
    control.get_by_role("button", name="Delete this room now").click()
    expect(control.locator("#deck")).to_be_visible()
    control.wait_for_timeout(1500)  # a poll's pause
    expect(control.get_by_role("alert")).to_be_hidden()
    expect(control.locator(".cr-earlier")).to_have_count(0)


def test_a_step_that_is_pressed_twice_is_taken_once_without_a_word(enter, teacher):
    control = lead(enter, teacher)
    control.locator("[data-step=start]").dblclick()
    expect(control.locator("[data-step=close]")).to_be_visible()
    projector = enter(f"projector#{teacher.code}", beside=control)
    projector.locator("[data-forward]").wait_for()
    for _ in range(2):
        projector.keyboard.press("ArrowRight")
    expect(projector.locator(".cr-histogram")).to_be_visible()
    for page in (control, projector):
        page.wait_for_timeout(500)
        expect(page.locator("#page")).not_to_contain_text("gone on meanwhile")
    assert teacher.view()["state"] == "closed"


def test_the_keyboard_goes_on_at_the_projector_s_question(enter, teacher):
    control = lead(enter, teacher)
    projector = enter(f"projector#{teacher.code}", beside=control)
    for _ in ("start", "close"):
        projector.locator("[data-forward]").press("Enter")
        expect(projector.locator("h2")).to_be_focused()


def test_results_without_a_network_say_nothing_of_one(enter, teacher):
    control = lead(enter, teacher)
    teacher.take("start", "end")
    expect(control.locator(".cr-figure")).to_have_count(2)
    expect(control.locator(".cr-results")).not_to_contain_text("the network")


def test_the_projector_s_link_and_the_code_are_of_the_room_that_was_opened_last(enter, teacher):
    control = lead(enter, teacher)
    control.evaluate("() => { navigator.clipboard.writeText = async (text) => { document.title = text } }")
    expect(control.locator(".cr-qr")).to_have_attribute("src", re.compile("^blob:"))
    first = control.locator(".cr-qr").get_attribute("src")
    control.get_by_role("button", name="Copy the projector's link").click()
    expect(control).to_have_title(re.compile(teacher.code))
    teacher.ask("DELETE", "")
    control.click(".cr-open .mm-primary")
    expect(control.locator("[data-step=start]")).to_be_visible()
    code = control.locator(".cr-code").inner_text()
    expect(control.locator(".cr-qr")).not_to_have_attribute("src", first)
    control.get_by_role("button", name="Copy the projector's link").click()
    expect(control).to_have_title(re.compile(code))
    expect(enter(control.title().split("/classroom/")[1]).locator(".cr-code")).to_have_text(code)


def test_shares_are_never_rounded_to_none_or_all(enter):
    page = enter("")
    expect(page.locator("#code")).to_be_visible()
    write = "async (shares) => shares.map((await import('/classroom/pages/page.js')).percent)"
    shares = [None, 0, 0.001, 0.004999, 0.005, 0.7, 0.9949, 0.995, 0.999, 1]
    wanted = ["–", "0 %", "<1 %", "<1 %", "1 %", "70 %", "99 %", ">99 %", ">99 %", "100 %"]
    assert page.evaluate(write, shares) == [words.replace(" ", "\u00a0") for words in wanted]
    tally = "async (pairs) => pairs.map((await import('/classroom/pages/page.js')).tally)"
    assert page.evaluate(tally, [[399, 400], [1, 400], [7, 10], [0, 0]]) == [
        "399 of 400 (>99\u00a0%)", "1 of 400 (<1\u00a0%)", "7 of 10 (70\u00a0%)", "–",
    ]  # fmt: skip
