"""Pictures to try: those of installed packages, an operator's own folder, and the strip under the upload."""

import json

import httpx
import pytest
from playwright.sync_api import expect

from app import examples
from app.examples import Gallery, gather, own, packaged
from app.settings import Settings, SettingsError
from app.texts import texts_for
from medmamba import images
from medmamba.errors import RequestError
from tests.app.browsing import open_picture
from tests.app.conftest import Running


@pytest.fixture
def folder(tmp_path, png):
    """An ImageFolder: two labels with a picture each, and one picture beside them."""
    for name in ("cyst/DOE^JOHN.png", "tumour/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(seed=len(name)))
    return tmp_path


def test_what_comes_with_installed_packages_can_be_read_and_says_where_it_is_from():
    found = packaged()
    assert {example.title for example in found} >= {"Fundus photograph", "CT slice", "MRI slice"}
    for example in found:
        images.read(example.file)
        assert example.source
        assert example.licence
        for text in (example.title, example.label, example.source):
            assert text is None or texts_for("de").term(text) != text
    assert [example.label for example in found if example.label] == ["Normal left eye"]


def test_an_absent_package_or_file_means_fewer_examples(tmp_path, monkeypatch):
    entries = json.loads(examples.PACKAGED.read_text("utf-8"))
    entries[0]["package"], entries[1]["file"] = "no_such_package", "data/none.png"
    (tmp_path / "some.json").write_text(json.dumps(entries))
    monkeypatch.setattr(examples, "PACKAGED", tmp_path / "some.json")
    assert [example.title for example in packaged()] == [entry["title"] for entry in entries[2:]]


def test_folders_name_labels_and_the_operators_own_come_first(folder):
    assert [(example.title, example.label) for example in own(folder)] == [("", None), ("", "cyst"), ("", "tumour")]
    assert gather(folder) == own(folder) + packaged()


def test_a_description_names_pictures_and_what_is_known_of_them(folder):
    entries = [{"file": "c.png", "title": "Third", "label": None, "source": "me", "licence": "CC0"}]
    (folder / "examples.json").write_text(json.dumps(entries))
    (example,) = own(folder)
    assert (example.title, example.label, example.source, example.licence) == ("Third", None, "me", "CC0")


@pytest.mark.parametrize(
    ("description", "fault"),
    [
        ("{", "cannot be read"),
        ('{"file": "c.png"}', "must be a list"),
        ('[{"title": "no file"}]', "entry 1 of its examples.json must be an object"),
        ('[{"file": "c.png"}, {"file": "c.png", "lable": "x"}]', "entry 2 of its examples.json must be an object"),
        ('[{"file": "c.png", "label": 3}]', "must be an object with texts"),
        ('["c.png"]', "must be an object"),
        ('[{"file": "none.png"}]', "entry 1 of its examples.json names no file in that folder"),
        ('[{"file": "../outside.png"}]', "names no file in that folder"),
    ],
)
def test_what_is_wrong_with_a_description_is_told_at_start(folder, description, fault):
    (folder.parent / "outside.png").write_bytes(b"")
    (folder / "examples.json").write_text(description)
    with pytest.raises(SettingsError, match=fault):
        gather(folder)


def test_too_many_pictures_and_no_folder_are_told_at_start(folder, monkeypatch):
    monkeypatch.setattr(examples, "MOST", 2)
    with pytest.raises(SettingsError, match="holds 3 pictures; keep at most 2"):
        gather(folder)
    with pytest.raises(SettingsError, match="no such folder"):
        gather(folder / "none")


def test_what_cannot_be_read_is_left_out_without_its_name(folder, caplog):
    (folder / "SMITH.txt").write_bytes(b"hello")
    gallery = Gallery(own(folder))
    assert sorted(gallery.shown()) == [1, 2, 3]
    assert "Example 1 is left out" in caplog.text
    assert "SMITH" not in caplog.text
    with pytest.raises(RequestError, match="no such example"):
        gallery.data(0)
    gallery.shown()[1].file.unlink()
    with pytest.raises(RequestError, match="no such example"):
        gallery.data(1)


@pytest.mark.browser
def test_an_example_is_opened_as_an_upload_is_and_says_what_is_known(page, running):
    strip = page.locator(".mm-examples")
    expect(strip.locator("img")).to_have_count(len(packaged()))
    page.wait_for_function("[...document.querySelectorAll('.mm-examples img')].every((image) => image.naturalWidth)")
    assert strip.locator("img").first.get_attribute("alt") == "Fundus photograph: known to be “Normal left eye”"
    strip.get_by_role("button", name="CT slice").click()
    page.wait_for_selector(".mm-recognised")
    line = strip.locator("p").inner_text()
    assert line.startswith("CT slice: no label known · pydicom's test files")
    assert line.endswith("Licence: Comes with pydicom (MIT)")
    page.wait_for_selector("text=Soft tissue")  # a CT by its own file, whatever the network makes of it
    assert "CT_small" not in page.content()


@pytest.mark.browser
def test_an_upload_after_an_example_is_no_example(page, png):
    page.locator("[data-example='0']").click()
    page.wait_for_selector(".mm-examples [aria-pressed=true]")
    open_picture(page, png())
    expect(page.locator(".mm-examples [aria-pressed=true]")).to_have_count(0)
    expect(page.locator(".mm-examples p")).to_be_hidden()
    page.keyboard.press("p")
    expect(page.locator(".mm-examples [aria-pressed=true]")).to_have_count(1)


@pytest.mark.browser
def test_an_operators_pictures_are_shown_by_number_and_label(browser, checkpoint_root, folder):
    with Running(checkpoint_root, examples=folder) as running:
        page = browser.new_page(locale="de")
        page.goto(running.address)
        page.wait_for_selector(".mm-examples li")
        alts = [image.get_attribute("alt") for image in page.locator(".mm-examples img").all()]
        assert alts[:3] == ["Beispiel 1: keine Diagnose bekannt", "Beispiel 2: bekannt als „cyst“", alts[2]]
        assert "DOE" not in page.content()
        page.close()


@pytest.mark.browser
def test_without_examples_there_is_no_strip(browser, checkpoint_root, monkeypatch):
    monkeypatch.setattr(examples, "packaged", lambda: ())
    with Running(checkpoint_root) as running:
        assert httpx.get(f"{running.address}examples").json() == []
        page = browser.new_page()
        page.goto(running.address)
        page.wait_for_selector(".mm-drop")
        expect(page.locator(".mm-examples")).to_be_hidden()
        page.close()


def test_the_setting_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_EXAMPLES", str(tmp_path))
    assert Settings.load().examples == tmp_path
    monkeypatch.setenv("MEDMAMBA_EXAMPLES", "")
    assert Settings.load().examples is None
