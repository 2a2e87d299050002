import pytest

from app.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("MEDMAMBA_PORT", "MEDMAMBA_SETTINGS", "SPACE_ID"):
        monkeypatch.setenv(name, "")  # an empty variable is none; and what a test sets is taken back


def test_without_variables_it_listens_on_this_machine_alone():
    settings = Settings.load()
    assert settings.host == "127.0.0.1"
    assert settings.names == ("localhost", "127.0.0.1", "::1")
    assert settings.metrics_port == 0


def test_variables_are_read(monkeypatch):
    given = {
        "MEDMAMBA_PORT": "8080",
        "MEDMAMBA_UPLOAD_MB": "5",
        "MEDMAMBA_ORIGINS": "https://a.example https://b.example",
        "MEDMAMBA_ROOMS": "sqlite:///rooms.sqlite",
        "MEDMAMBA_ROOM_HOURS": "3",
        "MEDMAMBA_PROXIES": "10.0.0.0/8 ::1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.port, settings.upload_bytes) == (8080, 5 * 2**20)
    assert (settings.rooms, settings.room_hours) == ("sqlite:///rooms.sqlite", 3)
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.proxies == ("10.0.0.0/8", "::1")


def test_a_file_is_read_and_variables_win(tmp_path, monkeypatch):
    file = tmp_path / "server.toml"
    file.write_text('port = 8081\nqueue = 7\nhosts = ["a.example"]\n')
    monkeypatch.setenv("MEDMAMBA_PORT", "8080")
    settings = Settings.load(file)
    assert (settings.port, settings.queue, settings.hosts) == (8080, 7, ("a.example",))


def test_hosts_are_compared_in_small_letters(monkeypatch):
    monkeypatch.setenv("MEDMAMBA_HOSTS", "Page.Hospital.example")
    assert "page.hospital.example" in Settings.load().names


@pytest.mark.parametrize("port", ["x", "-1", "99999", "1.5"])
def test_numbers_that_are_none_name_the_variable(port, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_PORT", port)
    with pytest.raises(SettingsError, match="MEDMAMBA_PORT"):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "MEDMAMBA_PROT"),
        ("port = ", "not TOML"),
        ('proxies = ["nowhere"]', "MEDMAMBA_PROXIES"),
        ('hosts = ["page.example:8443"]', "MEDMAMBA_HOSTS.*name alone"),
        ('root_path = "medmamba/"', "MEDMAMBA_ROOT_PATH.*begins with a slash and ends without one"),
        ('frame_ancestors = "*; script-src *"', "MEDMAMBA_FRAME_ANCESTORS.*without a semicolon"),
        ('login_header = "X_User"', "MEDMAMBA_LOGIN_HEADER.*letters, digits and hyphens"),
        ('origins = "https://page.example/"', "MEDMAMBA_ORIGINS.*without a slash behind"),
        ('origins = "page.example"', "MEDMAMBA_ORIGINS.*a scheme and a host"),
        ('login_header = "X-User"', "named proxies"),
        ('login_header = "X-User"\nproxies = "*"', "named proxies"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(text, said, tmp_path):
    file = tmp_path / "server.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        Settings.load(file)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SettingsError, match="no such settings file"):
        Settings.load(tmp_path / "none.toml")


@pytest.mark.parametrize(("name", "meant"), [("LOGIN", "LOGINS"), ("HELDMB", "HELD_MB"), ("PROXYS", "PROXIES")])
def test_a_misspelt_variable_is_said(name, meant, monkeypatch):
    """Without its logins a server would stand open."""
    monkeypatch.setenv(f"MEDMAMBA_{name}", "1")
    with pytest.raises(SettingsError, match=rf"MEDMAMBA_{name} is no setting. Did you mean MEDMAMBA_{meant}\?"):
        Settings.load()


def test_other_variables_of_the_prefix_are_let_be(monkeypatch):
    """Those of other modules, and what Kubernetes adds for a service of this name."""
    ours = "SETTINGS DECKS CHECKPOINTS CACHE PASSWORD PROBE_PASSWORD TEST_DATA"
    for name in f"{ours} SERVICE_HOST SERVICE_PORT SERVICE_PORT_HTTP PORT_80_TCP PORT_80_TCP_ADDR".split():
        monkeypatch.setenv(f"MEDMAMBA_{name}", "" if name == "SETTINGS" else "1")
    Settings.load()


def test_on_a_space_the_page_may_be_framed_by_the_hub(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/name")
    settings = Settings.load()
    assert settings.host == "0.0.0.0"
    assert "https://huggingface.co" in settings.frame_ancestors
    assert settings.names == ()
