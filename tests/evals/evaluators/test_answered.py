"""The dimension `answered`: every application has it, and may set, replace or leave it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.evaluators import resolution
from evals.reports.decide.measurements import may_decide
from evals.reports.decide.rows import Rate
from evals.specs import ANSWERED, Answered, App, Catalog, Dimension, Gate, Suite

OWN = Dimension(dimension="polite", question="Polite?", recorded=True)
ROW = Rate(ANSWERED, "chat.answered", "v1", "assertion", "all", 9, 1, 0, 0, 10)


def catalog(own: tuple[Dimension, ...] = (OWN,), **app: Any) -> Catalog:
    """A catalog of one application with a suite."""
    spec = App(app="chat", suite="chat", **app)
    return Catalog(
        root=Path(), apps={"chat": spec}, suites={"chat": Suite(suite="chat", dimensions=own)}
    )


def names(of: Catalog, app: str = "chat") -> list[str]:
    """The dimensions of an application."""
    return [one.dimension for one in of.dimensions_of(of.app(app))]


def test_every_application_has_it_last() -> None:
    """With a suite, without one, and undeclared."""
    assert names(catalog()) == ["polite", "answered"]
    assert names(Catalog(root=Path(), apps={"chat": App(app="chat")})) == ["answered"]
    assert names(Catalog(root=Path()), "nobody") == ["answered"]
    (found,) = resolution.resolve_app(Catalog(root=Path()), "nobody")
    assert (found.name, found.kind, found.pin) == ("nobody.answered", "assertion", None)


def test_a_team_may_leave_it_out_or_declare_its_own() -> None:
    """A suite's dimension of this name is the only one of it."""
    assert names(catalog(answered=False)) == ["polite"]
    assert names(catalog((OWN.model_copy(update={"dimension": "answered"}),))) == ["answered"]


@pytest.mark.parametrize("app", [{}, {"gate": Gate(dimensions=("polite",))}])
def test_it_decides_by_its_own_gate(app: dict[str, Any]) -> None:
    """Whatever the gate's dimensions are, since they were chosen among the suite's."""

    def decides(**settings: Any) -> bool:
        declared = catalog(answered=Answered(**settings), **app)
        (*_, found) = declared.dimensions_of(declared.apps["chat"])
        return may_decide(ROW, None, None, found, declared.apps["chat"].gate)

    assert decides()
    assert not decides(gate=False)


def test_its_settings_change_no_version() -> None:
    """A target or a gate costs no score."""
    versions = {
        resolution.resolve_app(catalog(answered=answered), "chat")[-1].version
        for answered in (True, Answered(target=0.9), Answered(gate=False))
    }
    assert len(versions) == 1
