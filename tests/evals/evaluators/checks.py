"""Runs a check on an output, with the smallest params it takes."""

from __future__ import annotations

import datetime
from typing import Any

from evals.evaluators.code_checks import CodeCheck, TextCheck
from evals.evaluators.registry import shipped_types
from evals.records import Trace

NIGHT = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
PRICE = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
OWN: dict[str, dict[str, Any]] = {
    "answered": {},
    "json_schema": {"schema": PRICE},
    "json_keys": {"keys": ["price"]},
    "contains": {"values": ["yes"]},
    "not_contains": {"values": ["yes"]},
    "regex": {"pattern": "a+"},
    "sql_reads_tables": {"tables": ["orders"]},
    "numbers_in_source": {},
    "attributes": {},
    "attribute_names": {},
    "attribute": {"name": "price"},
    "equals": {},
    "sql_equals": {},
}

CHECKS = {
    name: evaluator_type
    for name, evaluator_type in shipped_types().items()
    if isinstance(evaluator_type, CodeCheck) and not isinstance(evaluator_type, TextCheck)
}


MINIMAL: dict[str, dict[str, Any]] = {
    name: OWN.get(name, dict(found.examples.params) if found.examples else {})
    for name, found in CHECKS.items()
}
"""The smallest params of each check; those of its examples where none are here."""


def run_check(name: str, output: str, params: Any = None, gold: Any = None, **fields: Any) -> Any:
    """Runs a check on an output."""
    trace = Trace(trace_id="t", ts=NIGHT, app="a", output=output, **fields)
    return CHECKS[name].run(trace, MINIMAL[name] if params is None else params, gold)
