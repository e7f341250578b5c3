"""Whether a home has the demo's data or a team's own: the two never mix."""

from __future__ import annotations

from typing import Literal, NoReturn, get_args

from evals.storage.lake import Lake

NAME = "contents.json"
Contents = Literal["demo", "team"]


class OtherContents(ValueError):
    """A home has the other's data; the message names the remedy."""


def read_contents(lake: Lake) -> Contents | None:
    """Reads whose data a home has; None if no run has written it yet."""
    choices: dict[str, Contents] = {contents: contents for contents in get_args(Contents)}
    return lake.read_document(NAME, lambda row: choices[row["contents"]])


def claim_contents(lake: Lake, present: Contents | None, wanted: Contents) -> None:
    """Writes whose data a home has, unless it has the other's; `present` is None in a new home.

    Raises:
        OtherContents: the home has the other's data.
    """
    if present == "team" and wanted == "demo":
        refuse_demo(lake)
    if present == "demo" and wanted == "team":
        raise OtherContents(f"{lake.home} holds the demo's data; name another folder with --home")
    if read_contents(lake) is None:
        lake.replace_document(NAME, {"contents": wanted})


def check_contents(lake: Lake, *, demo: bool) -> None:
    """Checks that a command which only reads has no demo's catalog for a team's home.

    Raises:
        OtherContents: it has.
    """
    if demo and read_contents(lake) == "team":
        refuse_demo(lake)


def refuse_demo(lake: Lake) -> NoReturn:
    """Refuses the demo's catalog for a home that has a team's data.

    Raises:
        OtherContents: always; the message names the remedy.
    """
    raise OtherContents(
        f"{lake.home} holds a team's data, and the catalog is the demo's; "
        "name yours with --catalog, or another folder with --home"
    )
