"""The Learn tab in a real browser: answer first, then truth and network; results; the editor."""

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from app.tutor import Tutor
from medmamba.deck import Case, Deck, read_deck, write_deck
from tests.app.browsing import axe_faults, pixels

pytestmark = pytest.mark.browser
KIDNEY = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumor"))


@pytest.fixture
def deck(png):
    cases = (
        Case(png(120, 100, i), truth, f"<i>LESSON-{i}</i>", "made up")
        for i, truth in enumerate(("cyst", "tumor", "cyst"))
    )
    return Deck("Made-up kidneys", "en", "kidney-ct", KIDNEY, tuple(cases))


@pytest.fixture
def shelf(monkeypatch, deck):
    """The only deck there is."""
    monkeypatch.setattr(Tutor, "decks", staticmethod(lambda: {"d": deck}))


def enter(page, name="Learn"):
    page.get_by_role("tab", name=name).click()
    page.wait_for_selector("[data-deck]")
    return page


def begin(page):
    enter(page).locator("[data-deck=d] button").click()
    page.wait_for_selector("[data-part=commit]")


def answer(page, choice="cyst", confidence="sure"):
    page.locator(f".mm-choice input[value={choice}]").check()
    page.locator(f".mm-confidence input[value={confidence}]").check()
    page.click("[data-part=commit]")
    page.wait_for_selector(".mm-verdict")


def stop(page):
    page.get_by_role("button", name="Stop and see your result").click()
    page.wait_for_selector("[data-part=score]")


@pytest.mark.usefixtures("shelf")
def test_nothing_of_the_answer_is_sent_before_it_is_committed(page):
    seen = []
    page.on("response", lambda response: seen.append(response) if "/learn/quizzes" in response.url else None)
    begin(page)
    page.wait_for_timeout(500)
    assert [response.request.method for response in seen] == ["POST", "GET", "GET"]
    for response in seen[1:]:
        assert not re.search(rb"cyst|tumor|LESSON|made up|probab|truth|evidence", response.body())
    assert all(re.fullmatch(r".*/quizzes(\?deck=d|/[\w-]{22}/0|/[\w-]{22}/0/samples)", r.url) for r in seen)
    network = f"{seen[1].url}/network"
    assert page.request.get(network).status == 422  # asked for by hand, it is refused as well
    answer(page)
    page.wait_for_selector(".mm-shares li")
    assert any(b"LESSON" in response.body() for response in seen[3:])


@pytest.mark.usefixtures("shelf")
def test_the_keyboard_goes_on_at_each_case(page):
    begin(page)
    focused = "document.activeElement.textContent"
    page.wait_for_function(f"{focused} === 'Which kidney-ct is it?'")
    answer(page)
    page.keyboard.press("Enter")  # on "Next case"
    page.wait_for_selector("text=Case 2 of 3")
    page.wait_for_function(f"{focused} === 'Which kidney-ct is it?'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "mm-learn-choice"


@pytest.mark.usefixtures("shelf")
def test_an_answer_that_arrived_is_shown_although_its_reply_was_lost(rough):
    begin(rough)

    def lose(route):
        if route.request.method == "POST":
            route.fetch()
            return route.abort()
        return route.continue_()

    rough.route(re.compile(r"/learn/quizzes/[\w-]+/0$"), lose)
    answer(rough)
    expect(rough.locator("[data-part=learn-error]")).to_be_hidden()
    rough.click("[data-part=next]")
    rough.wait_for_selector("text=Case 2 of 3")


@pytest.mark.usefixtures("shelf")
def test_an_answer_that_did_not_arrive_can_be_given_again_or_left(rough):
    begin(rough)
    case = re.compile(r"/learn/quizzes/[\w-]+/0$")
    rough.route(case, lambda route: route.abort())
    rough.locator(".mm-choice input[value=cyst]").check()
    rough.locator(".mm-confidence input[value=sure]").check()
    rough.click("[data-part=commit]")
    expect(rough.locator("[data-part=learn-error] button")).to_have_text("Other decks")
    rough.unroute(case)
    rough.click("[data-part=commit]")  # what was chosen still is
    rough.wait_for_selector(".mm-verdict")
    rough.route("**/results", lambda route: route.abort())
    rough.get_by_role("button", name="Stop and see your result").click()
    rough.locator("[data-part=learn-error] button").click()
    rough.wait_for_selector("[data-deck=d]")


@pytest.mark.usefixtures("shelf")
def test_a_case_that_does_not_come_leaves_nothing_of_the_one_before(rough):
    begin(rough)
    answer(rough)
    rough.route("**/1/samples", lambda route: route.abort())
    rough.click("[data-part=next]")
    rough.wait_for_selector("[data-part=learn-error]:visible")
    rough.wait_for_selector("text=Case 2 of 3")
    expect(rough.locator(".mm-learn .mm-pane:visible")).to_have_count(0)


@pytest.mark.usefixtures("shelf")
def test_what_the_network_declined_is_told_in_the_results(page):
    def decline(route):
        found = route.fetch().json()
        route.fulfill(json=found | {"network": {"count": 0, "right": 0}, "declined": 1})

    page.route("**/results", decline)
    begin(page)
    answer(page)
    page.get_by_role("button", name="Stop and see your result").click()
    expect(page.locator("[data-part=declined]")).to_have_text(re.compile("gave no answer.*: 1[.]$"))
    expect(page.locator(".mm-learn")).not_to_contain_text("null")


@pytest.mark.usefixtures("shelf")
def test_results_in_which_nothing_was_declined_have_no_word_too_many(page):
    begin(page)
    answer(page)
    stop(page)
    expect(page.locator(".mm-learn")).not_to_contain_text("null")


@pytest.mark.usefixtures("shelf")
def test_leaving_the_page_is_asked_about_while_there_is_something_to_lose(page, png):
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    begin(page)
    answer(page)
    page.reload()
    assert asked == ["beforeunload"]
    begin(page)
    answer(page)
    stop(page)
    page.reload()
    assert asked == ["beforeunload"]
    enter(page).get_by_role("button", name="Make a deck").click()
    page.set_input_files("[data-part=editor-add]", {"name": "a.png", "mimeType": "image/png", "buffer": png()})
    expect(page.locator(".mm-cases img")).to_have_count(1)
    page.reload()
    assert asked == ["beforeunload"] * 2


@pytest.mark.usefixtures("shelf")
def test_a_whole_quiz(page, deck):
    begin(page)
    assert page.locator("[data-part=commit]").is_disabled()
    texts = []
    for position, confidence in enumerate(("sure", "sure", "guess")):
        page.wait_for_selector(f"text=Case {position + 1} of 3")
        page.wait_for_selector("[data-part=commit]")
        answer(page, "cyst", confidence)
        page.wait_for_selector(".mm-shares li")
        expect(page.locator(".mm-shares li")).to_have_count(3)
        texts.append(page.locator(".mm-teaching").inner_text())
        page.click("[data-part=next]")
    assert sorted(texts) == [case.text for case in deck.cases]  # as text, not as markup
    assert page.locator("[data-part=score]").inner_text() == "2 of 3 right"
    assert page.locator("[data-part=calibration] li").count() == 3
    misses = page.locator("[data-part=misses] button")
    expect(misses).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [row["confidence"] for row in rows] == ["sure", "sure", "guess"]
    assert all(len(row["sha256"]) == 64 and row["network"] for row in rows)
    misses.click()
    page.wait_for_selector("text=It is: Tumor")
    page.get_by_role("button", name="Back to your result").click()
    page.wait_for_selector("[data-part=score]")


@pytest.mark.usefixtures("shelf")
def test_a_mark_is_set_by_click_and_key_and_shown_on_the_map(page):
    begin(page)
    before = pixels(page)
    page.locator(".mm-learn .mm-stage").click(position={"x": 200, "y": 150})
    page.wait_for_selector("[data-part=unmark]:visible")
    assert pixels(page) != before
    page.click("[data-part=unmark]")
    assert pixels(page) == before
    page.locator(".mm-learn .mm-stage").focus()
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        answer(page)
    mark = sent.value.post_data_json["mark"]
    assert mark == pytest.approx([0.52, 0.5])
    page.wait_for_selector(".mm-learn [data-part=scale]:visible")


@pytest.mark.usefixtures("shelf")
def test_the_keyboard_alone_is_enough(page):
    begin(page)
    page.locator(".mm-choice input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mm-verdict")
    assert "Normal (Guess)" in page.locator(".mm-verdict").inner_text()
    assert page.evaluate("document.activeElement.dataset.part") == "next"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Case 2 of 3")


@pytest.mark.usefixtures("shelf")
def test_a_quiz_can_be_broken_off_and_gone_on_with(page):
    begin(page)
    answer(page)
    stop(page)
    page.get_by_role("button", name="Next case").click()
    page.wait_for_selector("text=Case 2 of 3")
    page.wait_for_selector("[data-part=commit]")


def test_a_deck_is_made_saved_tried_and_opened_again(page, png):
    enter(page)
    page.get_by_role("button", name="Make a deck").click()
    page.locator("[data-field='editor.deckTitle']").fill("My <b>deck</b>")
    page.locator("[data-field='editor.task']").select_option("kidney-ct")
    payloads = [{"name": f"DOE{i}.png", "mimeType": "image/png", "buffer": png(seed=i)} for i in range(3)]
    page.set_input_files("[data-part=editor-add]", payloads)
    expect(page.locator(".mm-cases img")).to_have_count(3)
    page.get_by_role("button", name="Save as ZIP").click()
    page.wait_for_selector("text=Picture 1 has no truth yet.")
    for i, truth in enumerate(("cyst", "tumor", "normal")):
        page.locator("[data-field='editor.truth']").nth(i).select_option(truth)
    page.locator("[data-field='editor.text']").first.fill("Look here.")
    page.get_by_role("button", name="Move down: Picture 1").click()
    page.get_by_role("button", name="Delete: Picture 3").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as ZIP").click()
    zipped = Path(download.value.path()).read_bytes()
    deck = read_deck(zipped)
    assert (deck.title, deck.task, deck.classes) == ("My <b>deck</b>", "kidney-ct", KIDNEY)
    assert [(case.truth, case.text) for case in deck.cases] == [("tumor", ""), ("cyst", "Look here.")]
    assert b"DOE" not in zipped
    page.get_by_role("button", name="Try it").click()
    page.wait_for_selector("text=Case 1 of 2")
    page.wait_for_selector("[data-part=commit]")


def edit(page, deck):
    """Open a deck in the editor."""
    enter(page).get_by_role("button", name="Make a deck").click()
    payload = {"name": "d.zip", "mimeType": "application/zip", "buffer": write_deck(deck)}
    page.set_input_files("[data-part=editor-open]", payload)
    expect(page.locator(".mm-cases img")).to_have_count(len(deck.cases))


def saved(page):
    """The deck as the editor saves it."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as ZIP").click()
    return read_deck(Path(download.value.path()))


QUESTIONS = [
    ("shapes", (("tumor", "Round"), ("b", "Square"))),
    ("kidney-ct", KIDNEY[1:]),
    ("kidney-ct", (("tumor", "A mass"), ("normal", "Normal"), ("cyst", "Cyst"))),
]


@pytest.mark.parametrize(("task", "classes"), QUESTIONS)
def test_a_deck_that_is_opened_and_saved_is_the_same(page, png, task, classes):
    deck = Deck(" Mine", "fr", task, classes, (Case(png(), "tumor", "Look.", "Somebody", "CC0"), Case(png(), "tumor")))
    edit(page, deck)
    own = task == "shapes" or len(classes) < 3
    expect(page.locator("[data-field='editor.task']")).to_have_value("own" if own else task)
    assert saved(page) == read_deck(write_deck(deck))


def test_a_class_under_another_label_keeps_its_pictures(page, png):
    edit(page, Deck("Own", "de", "shapes", (("a", "Roud"), ("b", "Square")), (Case(png(), "b"), Case(png(), "a"))))
    lines, truths = page.locator("[data-field='editor.classes']"), page.locator("[data-field='editor.truth']")
    assert lines.input_value() == "Roud\nSquare"
    lines.press("Control+Home")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "n", "ArrowDown", "End", "Enter", *"Star"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Move down: Picture 1").click()
    assert lines.input_value() == "Round\nSquare\nStar"
    assert truths.evaluate_all("all => all.map((one) => one.value)") == ["a", "b"]
    found = saved(page)
    assert found.classes == (("a", "Round"), ("b", "Square"), ("Star", "Star"))
    assert [case.truth for case in found.cases] == ["a", "b"]


def test_the_keyboard_goes_on_at_a_case_that_it_moves(page, png):
    edit(page, Deck("Mine", "en", "kidney-ct", KIDNEY, tuple(Case(png(), name) for name, _ in KIDNEY)))
    page.get_by_role("button", name="Move down: Picture 1").focus()
    for after in ("Move down: Picture 2", "Move up: Picture 3", "Move up: Picture 2", "Move down: Picture 1"):
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=after)).to_be_focused()
    page.keyboard.press("Enter")
    assert [case.truth for case in saved(page).cases] == ["normal", "cyst", "tumor"]


def test_the_keyboard_goes_on_behind_a_case_that_it_deletes(page, png):
    edit(page, Deck("Mine", "en", "kidney-ct", KIDNEY, tuple(Case(png(), name) for name, _ in KIDNEY)))
    page.get_by_role("button", name="Delete: Picture 2").focus()
    for after in ("Delete: Picture 2", "Delete: Picture 1"):
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=after)).to_be_focused()
    assert [case.truth for case in saved(page).cases] == ["cyst"]


def test_what_is_edited_while_the_deck_is_written_is_not_saved_yet(page, png):
    asked, held = [], []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept() if asked[1:] else dialog.dismiss()))
    deck = Deck("Mine", "en", "kidney-ct", KIDNEY, (Case(png(), "cyst"),))
    edit(page, deck)

    def save(meanwhile):
        page.route("**/learn/decks", lambda route: held.append(route), times=1)
        page.get_by_role("button", name="Save as ZIP").click()
        while not held:
            page.wait_for_timeout(50)
        meanwhile()
        with page.expect_download() as download:
            held.pop().continue_()
        return read_deck(Path(download.value.path()))

    assert save(lambda: page.locator("[data-field='editor.deckTitle']").fill("Later")).title == "Mine"
    page.get_by_role("button", name="Back to the decks").click()
    assert len(asked) == 1
    assert saved(page).title == "Later"

    other = {"name": "d.zip", "mimeType": "application/zip", "buffer": write_deck(replace(deck, cases=2 * deck.cases))}

    def open_another():
        page.locator("[data-field='editor.deckTitle']").fill("Discarded")
        page.set_input_files("[data-part=editor-open]", other)
        expect(page.locator(".mm-cases img")).to_have_count(2)

    assert len(save(open_another).cases) == 1
    expect(page.locator("[data-part=editor-status]")).to_have_text("Saved. Cases in the deck: 1.")
    page.get_by_role("button", name="Back to the decks").click()
    page.wait_for_selector("[data-deck]")
    assert len(asked) == 2


EDITS = [  # of the classes A and B, named a and b: what stands in the list one after the other, and what it comes to
    (["A\nB", "A\nBB", "A\nBBB"], [["a", "A"], ["b", "BBB"]]),
    (["New\nA\nB", "New\nA\n", "New\nA\nC"], [["New", "New"], ["a", "A"], ["b", "C"]]),
    (["B", "B\nA"], [["b", "B"], ["a", "A"]]),
    (["", "A\n\n A \nC"], [["a", "A"], ["C", "C"]]),
    (["C\nB", "C\nB\na"], [["a", "C"], ["b", "B"], ["a (2)", "a"]]),
    (["b\nA", "b\nA\nB"], [["a", "b"], ["b", "A"], ["b (2)", "B"]]),
    ([f"A\nB\n{'x' * 99}"], [["a", "A"], ["b", "B"], ["x" * 80, "x" * 80]]),
]


def test_lines_stay_their_classes_through_edits(page):
    script = """edits => import(new URL("viewer/classes.js", document.baseURI)).then(({follow, classesOf}) => {
      const before = [{name: "a", label: "A"}, {name: "b", label: "B"}];
      return edits.map((texts) => {
        const lines = texts.reduce((lines, text) => follow(lines, text.split("\\n")), before);
        return classesOf(lines, before).map(({name, label}) => [name, label]);
      });
    })"""
    assert page.evaluate(script, [texts for texts, _ in EDITS]) == [classes for _, classes in EDITS]


def test_a_truth_outlives_questions_that_do_not_have_it(page, png):
    edit(page, Deck("Mine", "en", "kidney-ct", KIDNEY, (Case(png(), "tumor"),)))
    question, truth = page.locator("[data-field='editor.task']"), page.locator("[data-field='editor.truth']")
    for other in ("chest-xray", "own"):
        question.select_option(other)
        expect(truth).to_have_value("")
        page.get_by_role("button", name="Save as ZIP").click()
        page.wait_for_selector("text=Picture 1 has no truth yet.")
    question.press("ArrowUp")
    expect(question).to_be_focused()
    question.select_option("kidney-ct")
    expect(truth).to_have_value("tumor")
    assert saved(page).cases[0].truth == "tumor"


def test_a_deck_of_own_classes_needs_no_list_of_questions(rough, png):
    rough.route("**/learn/decks", lambda route: route.abort())
    rough.get_by_role("tab", name="Learn").click()
    rough.wait_for_selector("[data-part=learn-error]:visible")
    rough.get_by_role("button", name="Make a deck").click()
    rough.locator("[data-field='editor.classes']").fill("Round\nSquare")
    rough.set_input_files("[data-part=editor-add]", {"name": "a.png", "mimeType": "image/png", "buffer": png()})
    rough.locator("[data-field='editor.truth']").click()  # which leaves the list of classes
    rough.locator("[data-field='editor.truth']").select_option("Square")


def test_pictures_that_the_server_forgot_are_sent_again(rough, running, png):
    enter(rough).get_by_role("button", name="Make a deck").click()
    opened = Deck("Mine", "en", "kidney-ct", KIDNEY, (Case(png(seed=0), "cyst"), Case(png(seed=1), "tumor")))
    payload = {"name": "d.zip", "mimeType": "application/zip", "buffer": write_deck(opened)}
    rough.set_input_files("[data-part=editor-open]", payload)
    expect(rough.locator(".mm-cases img")).to_have_count(2)
    added = {"name": "a.png", "mimeType": "image/png", "buffer": png(seed=2)}
    rough.set_input_files("[data-part=editor-add]", added)
    expect(rough.locator(".mm-cases img")).to_have_count(3)
    rough.get_by_role("button", name="Move down: Picture 1").click()
    rough.locator("[data-field='editor.truth']").nth(2).select_option("normal")
    rough.wait_for_function("[...document.querySelectorAll('.mm-cases img')].every((img) => img.naturalWidth)")
    running.service._store._held.clear()
    with rough.expect_download() as download:
        rough.get_by_role("button", name="Save as ZIP").click()
    written = read_deck(Path(download.value.path()))
    assert [case.truth for case in written.cases] == ["tumor", "cyst", "normal"]
    pixels = [np.asarray(Image.open(io.BytesIO(case.picture))) for case in written.cases]
    for shown, seed in zip(pixels, (1, 0, 2), strict=True):
        assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(png(seed=seed)))))


DROP = """([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), files = new DataTransfer();
  files.items.add(new File([bytes], name));
  const send = (type) => {
    const event = new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return send("dragover") && send("drop");
}"""


def test_files_dropped_on_the_editor_are_added_and_an_unsaved_deck_is_kept(page, png):
    def drop(name, data):
        return page.evaluate(DROP, [name, base64.b64encode(data).decode()])

    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    enter(page)
    assert drop("a.png", png())  # and the browser does not open it
    page.get_by_role("button", name="Make a deck").click()
    page.locator("[data-field='editor.task']").select_option("kidney-ct")
    assert drop("a.png", png())
    expect(page.locator(".mm-cases img")).to_have_count(1)
    page.locator("[data-field='editor.truth']").select_option("cyst")
    page.get_by_role("button", name="Try it").click()
    page.wait_for_selector("[data-part=commit]")
    answer(page)
    page.click("[data-part=next]")
    page.get_by_role("button", name="Other decks").click()
    page.get_by_role("button", name="Go on with your deck").click()
    expect(page.locator("[data-field='editor.truth']")).to_have_value("cyst")
    assert asked == []
    own = write_deck(Deck("Own", "en", "shapes", (("a", "A"), ("b", "B")), (Case(png(), "b"), Case(png(), "a"))))
    assert drop("d.ZIP", own)
    expect(page.locator(".mm-cases img")).to_have_count(2)
    assert asked == ["This deck has not been saved as ZIP. Discard it?"]
    page.get_by_role("button", name="Back to the decks").click()
    page.get_by_role("button", name="Make a deck").click()
    expect(page.locator(".mm-cases img")).to_have_count(0)
    assert len(asked) == 1


def test_what_is_no_deck_is_refused_in_words(browser, running):
    context = browser.new_context(
        locale="en-US"
    )  # not by visit(), to which the console's line on the refusal is a fault
    page = context.new_page()
    page.goto(running.address)
    page.click(".mm-notice .mm-primary")
    enter(page)
    page.set_input_files("[data-part=deck]", {"name": "a.zip", "mimeType": "application/zip", "buffer": b"hello"})
    page.wait_for_selector("[data-part=learn-error]:visible")
    assert page.locator("[data-part=learn-error]").inner_text().endswith(".")
    assert page.locator("[data-part=deck]").input_value() == "", "the same file, mended, may be chosen again"
    context.close()


@pytest.mark.usefixtures("shelf")
def test_a_phone_in_german_shows_one_column(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, locale="de-DE")
    expect(page.get_by_role("tab")).to_have_count(4)  # none has gone into a menu
    page.get_by_role("tab", name="Lernen").click()
    page.locator("[data-deck=d] button").click()
    page.wait_for_selector("text=Wie sicher sind Sie?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    viewer, panel = (page.locator(f".mm-learn {name}").bounding_box() for name in (".mm-viewer", ".mm-learn-panel"))
    assert panel["y"] > viewer["y"] + viewer["height"] - 1
    answer(page)
    page.wait_for_selector(".mm-shares li")
    assert "Zyste" in page.locator(".mm-learn-panel").inner_text()
    expect(page.locator(".mm-teaching")).to_have_attribute("lang", "en")  # is read aloud as English
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_long_word_takes_no_choice_off_the_screen(visit, png):
    page = visit(viewport={"width": 390, "height": 844})
    classes = ((80 * "n", 80 * "n"), *((name, name) for name in "abcdefg"))
    deck = Deck("Long", "en", "own", classes, (Case(png(), "a", 80 * "x"),))
    payload = {"name": "d.zip", "mimeType": "application/zip", "buffer": write_deck(deck)}
    enter(page).set_input_files("[data-part=deck]", payload)
    page.wait_for_selector("[data-part=commit]")
    for box in page.locator(".mm-choice label").all():
        box.click(timeout=5000)  # one behind the edge cannot be scrolled to
        assert sum(box.bounding_box()[side] for side in ("x", "width")) <= 390
    answer(page, "a")
    assert page.locator(".mm-teaching").evaluate("text => text.scrollWidth <= text.clientWidth")


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_the_tab(page, theme):
    if theme == "light":
        page.get_by_role("button", name="Dark or light").click()
    begin(page)
    serious = axe_faults(page)
    answer(page)
    page.wait_for_selector(".mm-shares li")
    serious += axe_faults(page)
    stop(page)
    serious += axe_faults(page)
    page.get_by_role("button", name="Other decks").click()
    page.get_by_role("button", name="Make a deck").click()
    serious += axe_faults(page)
    assert serious == []


@pytest.mark.usefixtures("shelf")
def test_keys_of_things_that_are_not_in_learn_do_nothing_and_are_not_listed(page):
    begin(page)
    page.wait_for_selector(".mm-learn [data-part=readout]:visible")
    for key in ("c", "x"):
        page.keyboard.press(key)
    expect(page.locator(".mm-learn .mm-pane:visible")).to_have_count(1)
    expect(page.locator(".mm-learn [data-do=pin]")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.locator(".mm-help")).to_contain_text("Invert")
    expect(page.locator(".mm-help")).not_to_contain_text("Pin, to compare")
    page.keyboard.press("Escape")
    page.locator(".mm-learn .mm-stage").press("M")  # with Caps Lock
    expect(page.locator("[data-part=unmark]")).to_be_visible()
