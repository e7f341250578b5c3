"""Every check by code under its name: the assertions and the references.

How each judges is in `assertions` and `references`; `checks` says what a check is.
"""

from __future__ import annotations

from evals.evaluators import assertions, references
from evals.evaluators.protocol import SCORERS, Scorer, scorer, scorer_behaviour

__all__ = ["SCORERS", "Scorer", "assertions", "references", "scorer", "scorer_behaviour"]
