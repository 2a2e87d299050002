"""``python -m app``: the page, and the commands around it."""

from app.cli import main

raise SystemExit(main())
