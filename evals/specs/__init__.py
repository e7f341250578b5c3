"""The catalog: what a team declares, as typed specs; an error names file, line and key.

What the declarations do lives with the evaluators.
"""

from evals.specs.apps import Answered, App, Gate, Validation
from evals.specs.attacks import Attack, Attacks
from evals.specs.batches import BatchLimits
from evals.specs.call_limits import JUDGED, Budget, Ceiling, Sample, Strata
from evals.specs.catalog import ANSWERED, Catalog, Evaluator, Slice
from evals.specs.classifiers import Classifier, Teacher
from evals.specs.load import fingerprint, load_catalog
from evals.specs.mappings import Column, Condition, Excluded, Mapping, find_nearest
from evals.specs.models import Azure, ModelPin, Policy, Price
from evals.specs.pins import Floating, Pinned, Promise, Unverifiable, classify, is_reasoning
from evals.specs.problems import BrokenApplication, Problem
from evals.specs.sources import Source
from evals.specs.spec import NAME, CatalogError, Name, Reads, Spec, TraceField
from evals.specs.suites import Check, DefaultDimension, Dimension, Example, Guardrail, Judge, Suite
from evals.specs.validation import Expectation, ValidationSuite
from evals.specs.yaml_files import describe, line_of, parse, read_list, read_mapping, refuse

__all__ = [
    "ANSWERED",
    "JUDGED",
    "NAME",
    "Answered",
    "App",
    "Attack",
    "Attacks",
    "Azure",
    "BatchLimits",
    "BrokenApplication",
    "Budget",
    "Catalog",
    "CatalogError",
    "Ceiling",
    "Check",
    "Classifier",
    "Column",
    "Condition",
    "DefaultDimension",
    "Dimension",
    "Evaluator",
    "Example",
    "Excluded",
    "Expectation",
    "Floating",
    "Gate",
    "Guardrail",
    "Judge",
    "Mapping",
    "ModelPin",
    "Name",
    "Pinned",
    "Policy",
    "Price",
    "Problem",
    "Promise",
    "Reads",
    "Sample",
    "Slice",
    "Source",
    "Spec",
    "Strata",
    "Suite",
    "Teacher",
    "TraceField",
    "Unverifiable",
    "Validation",
    "ValidationSuite",
    "classify",
    "describe",
    "find_nearest",
    "fingerprint",
    "is_reasoning",
    "line_of",
    "load_catalog",
    "parse",
    "read_list",
    "read_mapping",
    "refuse",
]  # fmt: skip
