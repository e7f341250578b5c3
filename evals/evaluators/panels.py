"""Panels: what several evaluators of the same question conclude together. Asks no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    EvaluatorByVerdicts,
    Params,
    Result,
)
from evals.records import Outcome, Skip, Verdict, digest
from evals.specs import Evaluator, TraceField

NO_MAJORITY = Skip("no-majority")


class PanelParams(Params):
    """Params of a panel."""

    dimensions: tuple[str, ...] = Field(
        min_length=2, description="the dimensions of the suite whose verdicts are votes"
    )
    at_least: int | None = Field(
        default=None, ge=1, description="votes that decide; null: more than half of the panel"
    )


@dataclass(frozen=True)
class Majority(EvaluatorByVerdicts):
    """A panel by majority."""

    name: str = "majority"
    kind: str = "panel"
    reads: tuple[TraceField, ...] = ()
    params: type[PanelParams] = PanelParams  # pyright: ignore[reportIncompatibleVariableOverride]
    behaviour: int = 1
    needs_alignment: bool = True
    is_sampled: ClassVar[bool] = False

    def describe(self) -> str:
        """Returns when a subject passes."""
        return "More than half of a panel of dimensions passed it; value is the share that did."

    def configure(self, declared: Declaration) -> Configuration:
        """Hashes the params."""
        parts = {
            "check": self.name,
            "behaviour": str(self.behaviour),
            "params": digest(declared.params),
        }
        return Configuration(self.reads, parts, dict(declared.params))

    def list_peers(self, evaluator: Evaluator) -> tuple[str, ...]:
        """Lists the panel's dimensions."""
        return PanelParams.model_validate(evaluator.params).dimensions

    def conclude(self, evaluator: Evaluator, verdicts: Mapping[str, Verdict | None]) -> Result:
        """Counts the votes; a panel that cannot reach a majority gives no verdict."""
        params = PanelParams.model_validate(evaluator.params)
        needed = params.at_least or len(params.dimensions) // 2 + 1
        votes = Counter(verdicts.values())
        cast = votes["pass"] + votes["fail"]
        if max(votes["pass"], votes["fail"]) < needed or votes["pass"] == votes["fail"]:
            return NO_MAJORITY
        against = [name for name, verdict in verdicts.items() if verdict == "fail"]
        words = f"{votes['pass']} of {cast} passed it"
        words += f"; not {', '.join(against)}" if against else ""
        return Outcome(votes["pass"] > votes["fail"], round(votes["pass"] / cast, 6), words)


MAJORITY = Majority()
