"""``python -m app``: the page."""

from app.main import main

raise SystemExit(main())
