"""A teacher and three students in browsers of their own, through a whole room."""

import csv
import re
import time

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from medmamba.deck import MODALITY, Case, Deck, write_deck
from tests.app.conftest import make_png

pytestmark = pytest.mark.browser

CLASSES = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumour"))
SECRET = "SECRET-TEACHING-TEXT"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture
def deck(tmp_path):
    path = tmp_path / "deck.zip"
    cases = tuple(Case(make_png(seed=i), truth, SECRET, "Made up") for i, truth in enumerate(("cyst", "tumor")))
    path.write_bytes(write_deck(Deck("Two slices", "en", "kidney-ct", CLASSES, cases)))
    return path


@pytest.fixture
def seat(browser, running):
    """Opens a page of the classroom in a browser of its own; fails on script errors and on requests to other hosts."""
    faults, contexts = [], []

    def enter(path, locale="en-US", **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, "locale": locale} | options)
        contexts.append(context)
        return again(context, path)

    def again(context, path):
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.answers = []
        page.on("response", lambda response: page.answers.append(response))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        own = (running.address, "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
        page.goto(f"{running.address}classroom/{path}")
        return page

    expect.set_options(timeout=90_000)
    enter.again = again
    yield enter
    for context in contexts:
        context.close()
    assert faults == []


def open_room(seat, deck):
    """(control page, code)"""
    control = seat("teach")
    control.select_option("#deck", "")
    control.set_input_files("#zip", deck)
    control.check("#names")
    control.click(".mm-primary")
    return control, control.locator(".cr-code").inner_text()


def join(page, name):
    page.fill("#name", name)
    page.click(".mm-primary")
    page.wait_for_selector(".cr-menu")


def answer(page, choice, level=2, mark=None):
    page.locator(".cr-choice label", has_text=choice).click()
    page.locator(".cr-confidence label").nth(level).click()
    if mark:
        page.locator(".cr-frame").click(position={"x": mark[0], "y": mark[1]})
    expect(page.locator(".cr-status")).to_contain_text(re.compile("Saved|Gespeichert"))


def step(control, name):
    control.click(f".cr-large[data-step={name}]")


def traffic(page):
    """Every body that the page has got."""
    fetched = [r for r in page.answers if r.status == 200 and r.url.startswith("http")]
    return b"\n".join(response.body() for response in fetched)


def test_a_whole_room(seat, deck):
    control, code = open_room(seat, deck)
    projector = seat.again(control.context, f"projector#{code}")
    expect(projector.locator(".cr-code")).to_have_text(code)
    expect(projector.locator(".cr-qr")).to_have_attribute("src", re.compile("^blob:"))

    ann, bob = seat(f"#{code}", **PHONE), seat(f"#{code}", locale="de-DE", **PHONE)
    join(ann, "Ann")
    join(bob, "ann")
    expect(projector.locator(".cr-names")).to_have_text("Annann 2")
    step(control, "start")
    answer(ann, "Cyst", mark=(60, 60))
    answer(bob, "Tumor")
    expect(projector.locator(".cr-count")).to_contain_text("2 of 2")

    late = seat("", **PHONE)
    late.fill("#code", f" {code.lower()[:3]}-{code.lower()[3:]}")
    join(late, "Late")
    answer(late, "Normal", level=0)
    expect(projector.locator(".cr-count")).to_contain_text("3 of 3")

    seen_by_ann = traffic(ann)
    ann.close()
    ann = seat.again(ann.context, "")  # the same browser, without the link
    expect(ann.locator("input[value=cyst]")).to_be_checked()
    expect(ann.locator(".cr-mark")).to_be_visible()

    projector.keyboard.press("ArrowRight")
    expect(projector.locator(".cr-histogram li")).to_have_count(3)
    expect(ann.locator(".cr-wait")).to_contain_text("Cyst")
    expect(control.locator(".mm-note", has_text="2 of 2")).to_be_visible()
    expect(bob.locator("h2", has_text="Geschlossen")).to_be_visible()
    for bodies in (seen_by_ann, traffic(ann), traffic(bob), traffic(late), traffic(projector)):
        assert SECRET.encode() not in bodies
    for page in (ann, bob, late, projector):
        views = [r.json() for r in page.answers if r.status == 200 and re.search("/(student|teacher)$", r.url)]
        assert views
        assert not any({"reveal", "truth", "network", "score", "results"} & view.keys() for view in views)

    projector.keyboard.press("ArrowRight")
    expect(projector.locator(".cr-true")).to_contain_text("Cyst")
    expect(projector.locator(".cr-stage")).to_contain_text(SECRET)
    expect(projector.locator(".cr-stage")).to_contain_text("Where you looked (marks: 1)")
    shown = projector.locator("#page").text_content()
    assert "\u00a0%" in shown, "no line ends between a number and its sign"
    assert " %" not in shown
    expect(ann.locator(".cr-truth")).to_contain_text("Cyst")
    expect(ann.locator(".cr-histogram .cr-network").first).to_be_visible()
    expect(bob.locator(".cr-truth")).to_contain_text("Zyste")
    expect(bob.get_by_text(SECRET)).to_have_attribute("lang", "en")  # is read aloud as English
    ann.wait_for_timeout(100)
    assert SECRET.encode() in traffic(ann)

    projector.keyboard.press("ArrowRight")
    answer(late, "Tumour")
    for name in ("close", "reveal", "end"):
        step(control, name)
    expect(projector.locator(".cr-results")).to_contain_text("2 of 4")
    expect(late.locator(".cr-score")).to_contain_text("1 of 2")
    expect(late.locator("#page")).not_to_contain_text("Cases that you answered")
    expect(ann.locator(".cr-score")).to_contain_text("1 of 1")  # as the class on average is of answers
    expect(ann.locator("#page")).to_contain_text("Cases that you answered: 1 of 2.")
    with control.expect_download() as download:
        control.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines()))
    assert [(row["case"], row["student"], row["answer"]) for row in rows] == [
        ("1", "1", "Cyst"), ("1", "2", "Tumour"), ("1", "3", "Normal"), ("2", "3", "Tumour"),
    ]  # fmt: skip
    assert download.value.path().read_bytes().startswith("\ufeff".encode())  # for Excel


def test_whether_the_network_should_answer_is_a_question_for_a_room(seat, tmp_path):
    path = tmp_path / "strangers.zip"
    classes = (("known", "Familiar"), ("other", "Something else"))
    path.write_bytes(write_deck(Deck("Strangers", "en", "familiar", classes, (Case(make_png(), "other"),))))
    control, code = open_room(seat, path)
    phone = seat(f"#{code}", locale="de-DE", **PHONE)
    join(phone, "Ann")
    step(control, "start")
    expect(phone.locator(".cr-choice legend")).to_have_text("Ist das eine Bildart, die das Netz gelernt hat?")
    answer(phone, "Something else")
    step(control, "close")
    expect(control.locator(".mm-note", has_text="1 of 1")).to_be_visible()
    step(control, "reveal")
    expect(phone.locator(".cr-histogram li", has_text="Familiar").locator("em")).to_have_text("Netz")
    expect(phone.locator(".cr-lesson")).to_contain_text(re.compile(r"Abstand \d+,\d\d, Grenze"))
    expect(phone.locator(".cr-pane canvas")).to_be_visible()


def test_kinds_of_picture_are_named_in_the_visitors_language(seat, tmp_path):
    path = tmp_path / "kinds.zip"
    classes = (("blood-cell microscopy", "Blood-cell microscopy"), ("X-ray", "X-ray"), ("OCT", "OCT"))
    path.write_bytes(write_deck(Deck("Kinds", "en", MODALITY, classes, (Case(make_png(), "X-ray"),))))
    control, code = open_room(seat, path)
    projector = seat.again(control.context, f"projector#{code}")
    phone = seat(f"#{code}", locale="de-DE", **PHONE)
    join(phone, "Ann")
    step(control, "start")
    answer(phone, "Blutzellmikroskopie")
    expect(projector.locator(".cr-list li")).to_have_text(["Blood-cell microscopy", "X-ray", "OCT"])
    step(control, "close")
    expect(phone.locator(".cr-wait")).to_contain_text("Ihre Antwort: Blutzellmikroskopie")


def test_a_case_of_many_classes_fits_on_the_projector(seat, tmp_path):
    path = tmp_path / "many.zip"
    classes = tuple((f"c{i}", f"A class of two words {i}") for i in range(11))
    path.write_bytes(write_deck(Deck("Many", "en", "own", classes, (Case(make_png(), "c7", "A text. " * 30),))))
    control, code = open_room(seat, path)
    projector = seat.again(control.context, f"projector#{code}")
    for name, shown in (("start", ".cr-list"), ("close", ".cr-histogram"), ("reveal", ".cr-true")):
        step(control, name)
        expect(projector.locator(shown)).to_be_visible()
        assert projector.evaluate("document.documentElement.scrollHeight <= innerHeight"), name


def test_a_long_word_ends_where_the_phone_does(seat, tmp_path):
    path = tmp_path / "long.zip"
    case = Case(make_png(), "long", "https://example.org/" + 80 * "x")
    path.write_bytes(write_deck(Deck("Long", "en", "own", (("long", 80 * "n"), ("short", "Short")), (case,))))
    control, code = open_room(seat, path)
    ann = seat(f"#{code}", **PHONE)
    join(ann, "Ann")
    for name, shown in (("start", ".cr-choice"), ("close", ".cr-wait"), ("reveal", ".cr-lesson")):
        step(control, name)
        expect(ann.locator(shown)).to_be_visible()
        assert ann.evaluate("document.documentElement.scrollWidth") == 390, name


def test_two_tabs_of_a_student_show_the_answer_that_was_given_last(seat, deck):
    control, code = open_room(seat, deck)
    first = seat(f"#{code}", **PHONE)
    join(first, "Ann")
    second = seat.again(first.context, "")
    step(control, "start")
    answer(first, "Cyst", level=0, mark=(60, 60))
    expect(second.locator("input[value=cyst]")).to_be_checked()
    expect(second.locator(".cr-mark")).to_be_visible()
    answer(second, "Tumour", level=2)
    expect(first.locator("input[value=tumor]")).to_be_checked()
    expect(first.locator("[name=confidence][value='3']")).to_be_checked()


def test_a_view_that_was_asked_for_before_an_answer_does_not_take_it_back(seat, deck):
    control, code = open_room(seat, deck)
    ann = seat(f"#{code}", **PHONE)
    join(ann, "Ann")
    step(control, "start")
    answer(ann, "Cyst")
    polls = []

    def hold(route):  # the first until after the next answer, and no later one mends what it does
        polls.append((route, route.fetch(headers=route.request.headers | {"if-none-match": ""})))

    ann.route("**/student", hold)
    while not polls:
        ann.wait_for_timeout(100)
    answer(ann, "Tumour")
    route, before = polls[0]
    assert before.json()["answer"]["choice"] == "cyst"
    route.fulfill(response=before)
    ann.wait_for_timeout(700)
    expect(ann.locator("input[value=tumor]")).to_be_checked()


def test_names_are_removed_and_rooms_deleted(seat, deck):
    control, code = open_room(seat, deck)
    ann, bob = seat(f"#{code}", **PHONE), seat(f"#{code}", **PHONE)
    join(ann, "Rude name")
    join(bob, "Bob")
    control.get_by_role("button", name="Remove the name Rude name").click()
    expect(ann.locator(".cr-menu summary")).to_have_text("#1")
    bob.click(".cr-menu summary")
    bob.get_by_role("button", name="Delete my nickname").click()
    expect(control.locator(".cr-people")).to_have_text("#1#2")
    bob.on("dialog", lambda dialog: dialog.accept())
    bob.get_by_role("button", name="Leave").click()
    expect(control.locator(".cr-people")).to_have_text("#1")
    assert bob.evaluate("localStorage.getItem('medmamba-place')") is None


def test_no_poll_is_refused_while_a_student_leaves(seat, deck):
    """A poll would be refused before the page knows that the place is given up, and take the room for gone."""
    _, code = open_room(seat, deck)
    ann = seat(f"#{code}", **PHONE)
    join(ann, "Ann")

    def answer_late(route):
        answer = route.fetch()
        if route.request.method == "DELETE":
            time.sleep(3)  # two pauses between polls
        route.fulfill(response=answer)

    ann.route("**/student", answer_late)
    ann.on("dialog", lambda dialog: dialog.accept())
    ann.click(".cr-menu summary")
    ann.get_by_role("button", name="Leave").click()
    expect(ann.locator("#code")).to_be_visible()
    assert ann.locator(".cr-join .cr-warning").all_inner_texts() in ([], [""])


def test_the_projector_shows_no_key_and_can_be_loaded_again(seat, deck, running):
    control, code = open_room(seat, deck)
    control.evaluate("() => { navigator.clipboard.writeText = async (text) => { document.title = text } }")
    control.get_by_role("button", name="Copy the projector's link").click()
    expect(control).to_have_title(re.compile("projector#"))
    link = control.title()
    assert control.evaluate(f"JSON.parse(localStorage.getItem('medmamba-room-{code}')).key") not in link
    projector = seat(link.removeprefix(f"{running.address}classroom/"))
    for _ in range(2):
        expect(projector.locator(".cr-code")).to_have_text(code)
        assert projector.evaluate("location.hash") == f"#{code}"
        assert projector.evaluate("history.length") <= 2  # the empty page of a new tab, and this one
        projector.reload()
    another = seat.again(projector.context, f"projector#{code}")
    expect(another.locator("#page")).to_contain_text("you have no place in it")


def test_news_wait_while_a_button_is_pressed(seat, deck, running):
    control, code = open_room(seat, deck)
    box = control.locator("[data-step=start]").bounding_box()
    control.mouse.move(box["x"] + 9, box["y"] + 9)
    control.mouse.down()
    with control.expect_response(lambda response: response.url.endswith("/teacher") and response.status == 200):
        httpx.post(f"{running.address}classroom/rooms/{code}/students", json={"name": "Ann"})
    control.wait_for_timeout(300)
    expect(control.locator(".cr-people li")).to_have_count(0)
    control.mouse.up()
    expect(control.locator("[data-step=close]")).to_be_visible()
    expect(control.locator(".cr-people li")).to_have_count(1)


def test_the_control_page_keeps_its_place_in_the_list_and_the_focus(seat, deck, running):
    control, code = open_room(seat, deck)
    with httpx.Client(base_url=f"{running.address}classroom/rooms/{code}/") as client:
        for i in range(60):
            client.post("students", json={"name": f"Student {i}"})
        people = control.locator(".cr-people")
        expect(people.locator("li")).to_have_count(60)
        people.evaluate("list => (list.scrollTop = 500)")
        client.post("students", json={"name": "Late"})
        expect(people.locator("li")).to_have_count(61)
    assert people.evaluate("list => list.scrollTop") == 500
    control.locator("[data-step=start]").focus()
    control.keyboard.press("Enter")
    expect(control.locator("[data-step=close]")).to_be_visible()
    assert control.evaluate("document.activeElement.textContent") == "Case 1 of 2: open"


def test_a_room_is_locked_on_the_control_page(seat, deck):
    control, code = open_room(seat, deck)
    control.get_by_role("button", name="Lock the room", exact=True).click()
    expect(control.get_by_text("Nobody else can join.")).to_be_visible()
    control.get_by_role("button", name="Unlock the room").click()
    expect(control.get_by_role("button", name="Lock the room", exact=True)).to_be_visible()
    join(seat(f"#{code}", **PHONE), "Ann")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pages_are_accessible(seat, deck, theme):
    """axe-core finds nothing in WCAG 2 A and AA, on each page, in both themes."""
    control, code = open_room(seat, deck)
    phone = seat(f"#{code}", **PHONE)
    for page in (control, phone):
        page.evaluate(f"localStorage.setItem('medmamba-theme', '{theme}')")
    found = {"join": violations(phone)}
    join(phone, "Ann")
    projector = seat.again(control.context, f"projector#{code}")
    again = seat.again(phone.context, "")
    expect(projector.locator(".cr-code")).to_have_text(code)
    found["lobby"] = violations(projector)
    step(control, "start")
    answer(again, "Cyst", mark=(60, 60))
    found["phone, open"] = violations(again)
    step(control, "close")
    expect(control.locator(".mm-note", has_text="2 of 2")).to_be_visible()
    step(control, "reveal")
    expect(projector.locator(".cr-true")).to_be_visible()
    expect(again.locator(".cr-truth")).to_be_visible()
    found |= {"control": violations(control), "reveal": violations(projector), "phone, reveal": violations(again)}
    assert {name: faults for name, faults in found.items() if faults} == {}


def violations(page):
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    response = Axe().run(page, options=options).response
    return [(v["id"], node["html"][:120]) for v in response["violations"] for node in v["nodes"]]
