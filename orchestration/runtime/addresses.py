"""Where people open the pages: the address of `andon ui`, or of whoever else serves them.

The address that `andon ui` used is stored in the home.
"""

import os

from evals.storage.documents.board_address import read_address
from evals.storage.lake import Lake

DEFAULT_URL = "http://127.0.0.1:3001"


def find_board_url(lake: Lake) -> str:
    """Returns the pages' URL: `ANDON_BOARD_URL`, or else where `andon ui` last served them."""
    return find_served_url(lake) or DEFAULT_URL


def find_served_url(lake: Lake) -> str | None:
    """Returns the same; None where nobody set it and nothing served them yet."""
    return os.environ.get("ANDON_BOARD_URL") or read_address(lake)
