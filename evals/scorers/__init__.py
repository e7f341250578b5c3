"""Every check by code under its name: the assertions and the references.

How each judges is in `assertions` and `references`; `checks` says what a check is.
"""

from __future__ import annotations

from evals.scorers import assertions, references
from evals.scorers.protocol import SCORERS, Scorer, scorer, scorer_behaviour

__all__ = ["SCORERS", "Scorer", "assertions", "references", "scorer", "scorer_behaviour"]
