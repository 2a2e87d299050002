"""Picture, answer and map on the screen belong together, whatever comes late, fails or is not answered."""

import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.app.browsing import ask, open_picture

pytestmark = pytest.mark.browser
EMPTY = "#mm-panel .mm-empty"
SETTLED = "!document.querySelector('[data-part=busy]').textContent"


@pytest.fixture
def held_up(running, monkeypatch):
    """Holds the answer to the first question up until it is set."""
    may_go, classify, asked = threading.Event(), running.service.classify, []

    def slow(question):
        asked.append(question)
        if len(asked) == 1:
            may_go.wait(60)
        return classify(question)

    monkeypatch.setattr(running.service, "classify", slow)
    yield may_go
    may_go.set()


def payload(*files):
    return [{"name": f"{i}.png", "mimeType": "image/png", "buffer": data} for i, data in enumerate(files)]


def seen(page):
    """The picture that the answer is about."""
    return page.locator(".mm-seen").get_attribute("src")


def test_a_late_answer_does_not_stand_beside_another_picture(page, png, held_up):
    page.set_input_files("[data-part=file]", payload(png(), png(60, 60, seed=1)))
    page.wait_for_selector("text=1 of 2")
    page.keyboard.press("n")
    page.wait_for_selector("text=2 of 2")
    page.wait_for_selector(".mm-recognised")
    page.wait_for_function(SETTLED)
    before = seen(page)
    held_up.set()
    page.wait_for_timeout(1500)
    assert seen(page) == before
    page.keyboard.press("p")
    page.wait_for_selector("text=1 of 2")
    expect(page.locator(".mm-seen")).not_to_have_attribute("src", before)


def test_an_unreadable_picture_leaves_nothing_of_the_one_before(page, png):
    open_picture(page, png(), b"no picture")
    page.wait_for_selector("text=1 of 2")
    page.wait_for_function(SETTLED)
    page.keyboard.press("n")
    page.wait_for_selector("[data-part=error]:visible")
    expect(page.locator(EMPTY)).to_be_visible()
    expect(page.locator(".mm-pane:visible")).to_have_count(0)
    expect(page.locator("[data-part=controls]")).to_be_hidden()
    page.keyboard.press("p")
    page.wait_for_selector(".mm-recognised")
    expect(page.locator(".mm-pane:visible")).to_have_count(1)


def test_samples_that_do_not_come_are_fetched_again(browser, running, png):
    with browser.new_context(locale="en-US") as context:  # not ``visit``: Chromium calls a failed request an error
        page = context.new_page()
        page.goto(running.address)
        page.click(".mm-notice .mm-primary")
        page.route("**/pictures/*/0", lambda route: route.abort())
        page.set_input_files("[data-part=file]", payload(png()))
        page.wait_for_selector("[data-part=error]:visible")
        expect(page.locator(EMPTY)).to_be_visible()
        page.unroute("**/pictures/*/0")
        page.get_by_role("button", name="Try again").click()
        page.wait_for_selector(".mm-recognised")
        expect(page.locator(".mm-pane:visible")).to_have_count(1)
        assert page.locator("[data-part=error]").is_hidden()


def test_a_question_that_is_refused_ends_in_a_sentence(browser, running, png):
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.goto(running.address)
        page.click(".mm-notice .mm-primary")
        page.route("**/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "full"}), times=1)
        page.set_input_files("[data-part=file]", payload(png()))
        error = page.locator(".mm-viewer [data-part=error]")
        error.get_by_text("The server did not answer").wait_for()
        assert page.locator("[data-part=busy]").first.is_hidden()
        error.get_by_role("button", name="Try again").click()
        page.wait_for_selector(".mm-recognised")


def test_of_many_questions_the_first_and_the_last_are_asked(page):
    script = """async () => {
      const {Questions} = await import(new URL("viewer/questions.js", document.baseURI));
      const sent = [], send = (event, data) => sent.push([event, data.frame, data.request]);
      const questions = new Questions(send, () => {});
      for (let frame = 0; frame < 20; frame++) questions.ask("ask", {frame});
      questions.ask("report", {frame: 19});
      const taken = [[1, "done"], [20, "mapping"]].map(([request, progress]) => questions.take({request, progress}));
      questions.take({request: 20, progress: "done"});
      questions.ask("report", {frame: 18});
      questions.ask("trust", {frame: 18});
      questions.ask("ask", {frame: 17});
      for (const request of [21, 24]) questions.take({request, progress: "done"});
      questions.forget();
      return [sent, taken];
    }"""
    later = [["ask", 17, 24], ["report", 18, 22]]
    assert page.evaluate(script) == [[["ask", 0, 1], ["ask", 19, 20], ["report", 19, 21], *later], [False, True]]


def ask_for_tumor(page, picture):
    """Have another map than the quick one, then choose another class; its answer is shown."""
    open_picture(page, picture)
    ask(page, "kidney-ct")
    with page.expect_response("**/queue/join*"):
        page.select_option("[data-set=stage]", "3")
    page.wait_for_function(SETTLED)
    yield
    page.click("[data-class=tumor]")
    page.wait_for_selector("[data-class=tumor][aria-pressed=true]")
    yield


def test_a_map_goes_with_its_answer_before_the_next_is_there(page, png, running, monkeypatch):
    may_go, evidence = threading.Event(), running.service.evidence
    steps = ask_for_tumor(page, png())
    next(steps)
    monkeypatch.setattr(running.service, "evidence", lambda *given: may_go.wait(60) and evidence(*given))
    try:
        next(steps)
        expect(page.locator("[data-part=busy]").first).to_have_text("Mapping the evidence …")
        expect(page.locator("[data-part=scale]")).to_be_hidden()
        expect(page.locator("[data-part=note]")).to_be_empty()
        expect(page.locator(".mm-pane:visible figcaption")).to_have_text("Original")
        expect(page.locator("[data-set=method]"), "which may be too slow").to_be_visible()
    finally:
        may_go.set()
    expect(page.locator("[data-part=scale]")).to_be_visible()


def test_a_method_that_fails_can_be_left(page, png, running, monkeypatch):
    steps = ask_for_tumor(page, png())
    next(steps)
    with monkeypatch.context() as broken:
        broken.setattr(running.service, "evidence", lambda *_: 1 / 0)
        next(steps)
        page.wait_for_selector("[data-part=error]:visible")
    page.select_option("[data-set=stage]", "4")
    page.wait_for_selector("[data-part=scale]:visible")
    assert page.locator("[data-part=error]").first.is_hidden()


def test_what_was_unfolded_and_the_focus_stay(page, png):
    open_picture(page, png())
    ask(page, "kidney-ct")
    page.get_by_text("What the network saw").click()
    page.locator("summary", has_text="About this question").click()
    page.get_by_role("button", name="Tumor").click()
    page.wait_for_selector(".mm-bars [data-class=tumor][aria-pressed=true]")
    expect(page.locator(".mm-seen")).to_be_visible()
    expect(page.locator("details:has-text('About this question') dl")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.class") == "tumor"


def test_a_picture_can_be_closed_and_is_forgotten(page, png, running):
    open_picture(page, png(), png(60, 60, seed=1))
    page.wait_for_selector("text=1 of 2")
    held = running.service.holdings()[0]
    close = page.get_by_role("button", name="Close picture")
    close.click()
    expect(page.locator("[data-part=cases]")).to_be_hidden()
    page.wait_for_selector(".mm-recognised")
    close.click()
    expect(page.locator(EMPTY)).to_be_visible()
    expect(page.locator(".mm-stage")).to_be_hidden()
    expect(close).to_be_hidden()
    for _ in range(50):
        if running.service.holdings()[0] == held - 2:
            break
        page.wait_for_timeout(100)
    assert running.service.holdings()[0] == held - 2


def test_a_file_that_comes_when_all_before_it_are_closed_is_opened(page, png):
    held = []
    page.route("**/pictures?later=true", lambda route: held.append(route))
    with page.expect_request("**/pictures?later=true"):
        page.set_input_files("[data-part=file]", payload(png(), png(60, 60, seed=1)))
    page.wait_for_selector(".mm-recognised")
    page.get_by_role("button", name="Close picture").click()
    expect(page.locator(EMPTY)).to_be_visible()
    held[0].continue_()
    page.wait_for_selector(".mm-recognised")
    expect(page.locator(".mm-pane:visible")).to_have_count(1)


def test_a_model_that_cannot_answer_can_be_left(page, png, checkpoint_root):
    shutil.copytree(checkpoint_root / "second", checkpoint_root / "third")
    try:
        (checkpoint_root / "third" / "weights.safetensors").write_bytes(b"none")
        open_picture(page, png())
        page.wait_for_function(SETTLED)
        page.select_option("[data-ask=checkpoint]", "third")
        page.wait_for_selector("[data-part=error]:visible")
        assert page.locator("[data-ask=checkpoint]").input_value() == "generalist", "the answer is still of this one"
        open_picture(page, png(seed=1))
        page.wait_for_function(SETTLED)
        assert page.locator("[data-ask=checkpoint]").input_value() == "generalist"

        held = []  # the question about the second picture, so that the third is asked of that model, too
        page.route("**/queue/join*", lambda route: route.continue_() if held else held.append(route))
        page.select_option("[data-ask=checkpoint]", "third")
        page.set_input_files("[data-part=file]", {"name": "p", "mimeType": "image/png", "buffer": png(seed=2)})
        page.click("[data-part=error] >> text=Try again")
        page.wait_for_selector(".mm-recognised")
        page.wait_for_function(SETTLED)
        assert page.locator("[data-ask=checkpoint]").input_value() == "generalist"
        assert len(held) == 1
    finally:
        page.unroute("**/queue/join*")
        shutil.rmtree(checkpoint_root / "third")


def test_beside_a_damaged_default_model_another_is_offered(page, png, checkpoint_root, running, monkeypatch):
    shutil.copytree(checkpoint_root / "second", checkpoint_root / "third")
    monkeypatch.setattr(running.service, "_default", "third")
    try:
        (checkpoint_root / "third" / "weights.safetensors").write_bytes(b"none")
        for seed in range(2):  # a further picture is asked of the model that was chosen
            page.set_input_files("[data-part=file]", payload(png(seed=seed)))
            if not seed:
                expect(page.locator("#mm-panel h3")).to_have_text("The model “Test generalist” cannot be used")
                expect(page.locator(".mm-viewer [data-part=error]")).to_be_visible()
                page.select_option("[data-ask=checkpoint]", "second")
            page.wait_for_selector(".mm-recognised")
            page.wait_for_function(SETTLED)
            assert page.locator("[data-ask=checkpoint]").input_value() == "second"
            expect(page.locator(".mm-viewer [data-part=error]")).to_be_hidden()
    finally:
        shutil.rmtree(checkpoint_root / "third")


def test_a_report_comes_though_another_picture_is_opened_meanwhile(page, png):
    open_picture(page, png(), png(60, 60, seed=1))
    ask(page, "kidney-ct")
    page.wait_for_function(SETTLED)
    with page.expect_download() as download:
        page.click("[data-report=png]")
        page.keyboard.press("n")
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    page.wait_for_selector("text=2 of 2")
    page.wait_for_selector(".mm-recognised")


FOLDER = """([bytes, names]) => {
  const file = (name) => ({isFile: true, name, fullPath: `/study/${name}`,
    file: (take) => take(new File([new Uint8Array(bytes)], name))});
  let rest = [names.map(file), []];
  const study = {isDirectory: true, name: "study", createReader: () => ({readEntries: (take) => take(rest.shift())})};
  const event = new DragEvent("drop", {bubbles: true, cancelable: true});
  Object.defineProperty(event, "dataTransfer", {value: {files: [new File([], "study")], types: ["Files"],
    items: [{webkitGetAsEntry: () => study}]}});
  document.dispatchEvent(event);
}"""


def test_a_dropped_folder_is_walked(page, png):
    page.evaluate(FOLDER, [list(png()), ["b10", "b9", ".DS_Store"]])
    page.wait_for_selector("text=1 of 2")
    page.get_by_role("tab", name="Batch").click()
    page.evaluate(FOLDER, [list(png()), ["b10", "b9", ".DS_Store"]])
    page.wait_for_selector("text=Files: 2")
    assert page.locator(".mm-batch td.mm-name").all_inner_texts() == ["study/b9", "study/b10"]


def test_a_file_that_cannot_be_sent_keeps_no_other_back_and_is_named(browser, running, png):
    with browser.new_context(locale="en-US") as context:  # not ``visit``: Chromium calls a 422 an error
        page = context.new_page()
        page.goto(running.address)
        page.click(".mm-notice .mm-primary")
        page.set_input_files("[data-part=file]", payload(png(), b"", png(seed=1)))
        page.wait_for_selector("text=1 of 2")
        page.wait_for_selector(".mm-recognised")
        expect(page.locator(".mm-viewer [data-part=error]")).to_contain_text("1.png: The file is empty")
