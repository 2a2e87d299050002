"""Logging in, against the real server: Gradio's form and cookies, and the header of a proxy."""

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import expect

from app import cli
from app.door import TRIES
from app.logins import Logins
from app.settings import SettingsError
from tests.app.browsing import open_picture
from tests.app.conftest import Running

PASSWORD = "correct horse battery"
CLOSED = ("texts/en", "examples", "learn/decks", "classroom/decks", "gradio_api/info", "classroom/teach")


@pytest.fixture(scope="module")
def logins(tmp_path_factory):
    file = tmp_path_factory.mktemp("logins") / "logins"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDMAMBA_PASSWORD", PASSWORD)
        assert cli.main(["user", "ada", str(file)]) == 0
        assert cli.main(["user", "bob@ward.example", str(file)]) == 0
    return file


@pytest.fixture(scope="module")
def guarded(logins, checkpoint_root):
    with Running(checkpoint_root, logins=logins, hosts=("localhost",)) as running:
        running.service.warm()
        yield running


def test_the_file_holds_hashes_and_is_private(logins):
    text = logins.read_text()
    assert PASSWORD not in text
    assert text.count("$argon2id$") == 2
    assert logins.stat().st_mode & 0o077 == 0
    assert Logins(logins)("ada", PASSWORD)
    assert not Logins(logins)("ada", "another password")
    assert not Logins(logins)("eve", PASSWORD)


def test_a_damaged_file_and_a_short_password_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "logins").write_text("ada:plain\n")
    with pytest.raises(SettingsError, match="NAME:HASH"):
        Logins(tmp_path / "logins")
    monkeypatch.setenv("MEDMAMBA_PASSWORD", "short")
    assert cli.main(["user", "ada", str(tmp_path / "new")]) == 2
    assert "at least" in capsys.readouterr().err


@pytest.mark.parametrize("case", ["no folder", "a folder", "not text", "not logins"])
def test_a_place_where_logins_cannot_be_written_is_said(case, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDMAMBA_PASSWORD", PASSWORD)
    file = tmp_path / "logins"
    if case == "no folder":
        file = tmp_path / "none" / "logins"
    elif case == "a folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff\xfe\n" if case == "not text" else b"port = 80\n")
    before = file.read_bytes() if file.is_file() else None
    assert cli.main(["user", "ada", str(file)]) == 2
    assert "file of logins" in capsys.readouterr().err
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_crash_loses_no_login_and_the_file_becomes_private(logins, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_PASSWORD", PASSWORD)
    file, link = tmp_path / "logins", tmp_path / "link"
    file.write_bytes(logins.read_bytes())
    file.chmod(0o644)
    link.symlink_to(file)
    with monkeypatch.context() as patch:

        def crash(*_):
            raise KeyboardInterrupt

        patch.setattr("pathlib.Path.chmod", crash)
        with pytest.raises(KeyboardInterrupt):
            cli.main(["user", "eve", str(link)])
    assert file.read_bytes() == logins.read_bytes()
    assert cli.main(["user", "eve", str(link)]) == 0
    assert Logins(file)("eve", PASSWORD)
    assert Logins(file)("ada", PASSWORD)
    assert file.stat().st_mode & 0o777 == 0o640, "a group that could read it still can, and nobody else"
    assert cli.main(["user", "eve", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ([PASSWORD, PASSWORD], 0, ""),
        ([PASSWORD, "correct horse batterz"], 2, "differ"),
        ([PASSWORD], 2, "MEDMAMBA_PASSWORD"),  # there it ends, as without a terminal
    ],
)
def test_a_password_is_typed_twice(typed, status, said, tmp_path, monkeypatch, capsys):
    left = iter(typed)

    def type_(*_):
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    monkeypatch.delenv("MEDMAMBA_PASSWORD", raising=False)
    monkeypatch.setattr("getpass.getpass", type_)
    assert cli.main(["user", "ada", str(tmp_path / "logins")]) == status
    assert said in capsys.readouterr().err
    assert (tmp_path / "logins").exists() == (status == 0)


def test_without_a_login_only_the_form_is_open(guarded):
    with httpx.Client(base_url=guarded.address) as client:
        assert {path: client.get(path).status_code for path in CLOSED} == dict.fromkeys(CLOSED, 401)
        assert client.post("pictures", content=b"x").status_code == 401
        assert client.post("gradio_api/cancel", json={}).status_code == 401
        assert client.get("healthz").status_code == 200
        page = client.get("classroom/teach", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/")
        assert '"auth_required":true' in client.get("/").text.replace(" ", "")


def test_whoever_logs_in_is_let_in(guarded, png, tmp_path):
    with httpx.Client(base_url=guarded.address) as client:
        assert client.post("login", data={"username": "ada", "password": PASSWORD}).status_code == 200
        assert {client.get(path).status_code for path in CLOSED} == {200}
        assert client.post("pictures", content=png()).status_code == 200
        client.get("logout")
        assert client.get("texts/en").status_code == 401
    (tmp_path / "picture").write_bytes(png())
    program = Client(guarded.address, auth=("ada", PASSWORD), verbose=False, analytics_enabled=False)
    assert program.predict(handle_file(str(tmp_path / "picture")), None, 0, None, api_name="/classify")["task"]
    program.close()


def guest(browser, guarded, **options):
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(60_000)
    page.goto(guarded.address)
    return page


def log_in(page, password):
    page.locator("input:not([type=password])").first.fill("ada")
    page.fill("input[type=password]", password)
    page.locator("button").last.click()


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "words"), [("en-US", "Log out"), ("de-DE", "Abmelden")])
def test_whoever_logs_out_leaves_no_picture_to_whoever_comes_next(browser, guarded, png, locale, words):
    before, _ = guarded.service.holdings()  # of tests before this one
    page = guest(browser, guarded, locale=locale)
    log_in(page, PASSWORD)
    page.click(".mm-notice .mm-primary")
    open_picture(page, png())
    assert guarded.service.holdings()[0] == before + 1
    with page.expect_navigation():
        page.get_by_role("button", name=words).click()
    page.wait_for_selector("input[type=password]")
    assert guarded.service.holdings()[0] == before
    assert page.request.get(f"{guarded.address}texts/en").status == 401
    log_in(page, PASSWORD)
    page.wait_for_selector(".mm-viewer .mm-drop")
    assert page.evaluate("sessionStorage.getItem('medmamba-cases')") is None
    page.context.close()


def test_wrong_passwords_are_throttled_and_then_the_right_one_too(guarded):
    with httpx.Client(base_url=guarded.address) as client:
        wrong = [client.post("login", data={"username": "ada", "password": "x" * 12}).status_code for _ in range(15)]
        assert wrong == [400] * TRIES + [429] * (15 - TRIES)
        refused = client.post(
            "login", data={"username": "ada", "password": PASSWORD}, headers={"accept-language": "de"}
        )
        assert refused.status_code == 429
        assert "zu viele falsche Passwörter" in refused.text


def test_a_header_counts_from_a_named_proxy_only(checkpoint_root):
    with Running(checkpoint_root, login_header="X-User", proxies=("127.0.0.1",)) as running:
        assert httpx.get(running.address).status_code == 401
        assert httpx.get(f"{running.address}readyz").status_code == 503
        assert httpx.get(running.address, headers={"x-user": "ada"}).status_code == 200
        assert httpx.post(f"{running.address}login", data={"username": "a", "password": "b"}).status_code == 401
    with Running(checkpoint_root, login_header="X-User", proxies=("192.0.2.1",)) as running:
        assert httpx.get(running.address, headers={"x-user": "ada"}).status_code == 401


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_has_a_title_and_fields_with_an_edge(browser, guarded, scheme):
    page = guest(browser, guarded, color_scheme=scheme)
    field = page.wait_for_selector("input[type=password]")
    assert page.title() == "MedMamba"
    names = ["borderTopColor", "borderTopWidth", "backgroundColor"]
    for focused in (False, True):
        if focused:
            field.focus()
            page.wait_for_timeout(300)  # a transition
        edge, width, ground = field.evaluate("(it, names) => names.map((name) => getComputedStyle(it)[name])", names)
        assert width == "1px"
        assert edge != ground
    page.context.close()


@pytest.mark.browser
def test_the_form_says_when_there_were_too_many_wrong_passwords(browser, guarded):
    with httpx.Client(base_url=guarded.address) as client:
        while client.post("login", data={"username": "ada", "password": "x" * 12}).status_code != 429:
            pass
    page = guest(browser, guarded, locale="de-DE")
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    with page.expect_event("dialog"):
        log_in(page, PASSWORD)
    assert "zu viele falsche Passwörter" in said[0]
    page.context.close()


@pytest.mark.browser
def test_without_a_form_there_is_nothing_to_log_out_of(page):
    expect(page.locator("[data-header=logout]")).to_be_hidden()
