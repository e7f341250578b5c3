"""The catalog: what a team declares, as typed specs; an error names file, line and key.

What the declarations do lives with the evaluators.
"""

from evals.specs.apps import App, Column, Gate, Mapping, Validation
from evals.specs.asking import JUDGED, Budget, Ceiling, Sample, Strata
from evals.specs.attacks import Attack, Attacks
from evals.specs.catalog import Catalog, Evaluator, Slice
from evals.specs.load import fingerprint, line_of, load_catalog, parse, read_yaml, refuse
from evals.specs.models import ModelPin, Price
from evals.specs.spec import NAME, CatalogError, Name, Reads, Spec
from evals.specs.suites import Check, Dimension, Example, Guardrail, Judge, Suite

__all__ = [
    "JUDGED", "NAME", "App", "Attack", "Attacks", "Budget", "Catalog", "CatalogError",
    "Ceiling", "Check", "Column", "Dimension", "Evaluator", "Example", "Gate", "Guardrail",
    "Judge", "Mapping", "ModelPin", "Name", "Price", "Reads", "Sample", "Slice", "Spec",
    "Strata", "Suite", "Validation", "fingerprint", "line_of", "load_catalog", "parse",
    "read_yaml", "refuse",
]  # fmt: skip
