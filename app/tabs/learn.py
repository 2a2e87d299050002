"""One student, a deck, answer first; and the deck editor. The script talks to the routes of ``learn_routes``."""

from app.mount import mounted
from app.service import Service


def build(service: Service) -> None:
    """Lays the tab out inside the current Blocks."""
    mounted("learn", "mountLearn", template='<div class="mm-learn"></div>')
