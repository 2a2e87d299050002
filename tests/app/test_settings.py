import pytest

from app.settings import Settings, SettingsError


def test_without_variables_it_listens_on_this_machine_alone():
    assert Settings.from_environment({}) == Settings()
    assert Settings().host == "127.0.0.1"


def test_variables_are_read():
    given = {
        "MEDMAMBA_PORT": "8080",
        "MEDMAMBA_UPLOAD_MB": "5",
        "MEDMAMBA_ORIGINS": "https://a.example https://b.example",
        "MEDMAMBA_ROOMS": "sqlite:///rooms.sqlite",
        "MEDMAMBA_ROOM_HOURS": "3",
    }
    settings = Settings.from_environment(given)
    assert (settings.port, settings.upload_bytes) == (8080, 5 * 2**20)
    assert (settings.rooms, settings.room_hours) == ("sqlite:///rooms.sqlite", 3)
    assert settings.origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("port", ["", "x", "-1", "99999", "1.5"])
def test_numbers_that_are_none_name_the_variable(port):
    with pytest.raises(SettingsError, match="MEDMAMBA_PORT"):
        Settings.from_environment({"MEDMAMBA_PORT": port})
