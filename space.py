"""The entry of a Hugging Face Space (``app_file`` in the README's front matter); elsewhere use ``python -m app``."""

from app import space

if __name__ == "__main__":
    space.announce()
    from app.cli import main

    raise SystemExit(main(["serve"]))
