import pytest

from app import check_space, cli

README = (check_space.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_repository_is_fit_for_a_space(capsys):
    assert cli.main(["check-space", "--no-start"]) == 0
    assert capsys.readouterr().out.endswith("5 of 5\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sdk: gradio", "sdk: docker", "sdk"),
        ("app_file: space.py\n", "", "app_file"),
        ("colorTo: green", "colorTo: teal", "colorTo"),
        ("---\ntitle", "title", "no front matter"),
        ("short_description: ", f"short_description: {'x' * 60}", "short_description"),
    ],
)
def test_a_front_matter_that_does_not_fit_is_refused(old, new, said):
    assert old in README
    with pytest.raises(check_space.Fault, match=said):
        check_space.front_matter(README.replace(old, new, 1))


def test_secrets_are_found():
    assert check_space.SECRET.search(b"token = hf_" + b"a" * 34)
    assert not check_space.SECRET.search(b"hf_hub_download")


def test_zero_gpu_is_announced_only_where_it_is():
    from app import space

    assert space.announce() is False
