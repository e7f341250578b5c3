"""Labelled answers as a team's files: regression cases in `cases/`, an evaluator's in `examples/`.

One answer a line, redacted, with its verdict and where it came from. What judges them is
`evals.cases`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from evals.readable import HIDDEN
from evals.records import AnswerStatus, Trace, Verdict, digest
from evals.specs.spec import NAME, CatalogError, Name, Spec
from evals.specs.spec_errors import explain_first

CASES, EXAMPLES = "cases", "examples"
NO_TIME = datetime.fromtimestamp(0, UTC)


class Recorded(Spec):
    """The answer and what evaluators read beside it."""

    input: str = ""
    context: str | None = None
    output: str = ""
    messages: tuple[Any, ...] = ()
    steps: tuple[Any, ...] = ()
    status: AnswerStatus = "ok"
    finish_reason: str | None = None
    latency_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


class CaseOrigin(Spec):
    """Where a case came from."""

    trace_id: str
    night: date
    prompt_version: str | None = None
    model: str | None = None
    added_by: str = ""
    added_on: date | None = None


class Case(Spec):
    """An answer of production with the verdict that its evaluator has to give."""

    id: str = Field(pattern=NAME)
    app: Name
    dimension: Name = Field(pattern=NAME)
    verdict: Verdict
    why: str = ""
    gold: Any = None
    """The right answer, where the evaluator compares with a gold value of the trace."""
    trace: Recorded
    origin: CaseOrigin

    @property
    def key(self) -> tuple[str, str]:
        """What a set has once: the trace and the dimension."""
        return (self.origin.trace_id, self.dimension)

    def build_trace(self) -> Trace:
        """Returns the answer as a trace."""
        fields = {name: getattr(self.trace, name) for name in Recorded.model_fields}
        return Trace(trace_id=self.origin.trace_id, ts=NO_TIME, app=self.app, **fields)


def record_trace(trace: Trace) -> Recorded:
    """Returns what a case keeps of a trace: nothing that names a user or a session."""
    return Recorded(**{name: getattr(trace, name) for name in Recorded.model_fields})


def name_case(trace_id: str, dimension: str) -> str:
    """Returns the id of a case."""
    return f"c-{digest([trace_id, dimension], 12)}"


def locate_cases(root: Path, app: str, folder: str = CASES) -> Path:
    """Returns the path of a set's file: of an application's cases, or an evaluator's examples."""
    return root / folder / f"{app}.jsonl"


def list_case_files(root: Path) -> list[Path]:
    """Lists the files of cases and of examples in a catalog."""
    return [path for name in (CASES, EXAMPLES) for path in sorted((root / name).glob("*.jsonl"))]


def load_cases(path: Path) -> list[Case]:
    """Reads a file of cases; none where it does not exist.

    Raises:
        CatalogError: a line is no case, or two lines are the same; each names file and line.
    """
    if not path.is_file():
        return []
    problems: list[str] = []
    cases: dict[tuple[str, str], Case] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            case = Case.model_validate(json.loads(line))
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: {explain(error)}")
            continue
        if case.key in cases:
            problems.append(f"{path}:{number}: a second case of the same trace and dimension")
        cases[case.key] = case
    if problems:
        raise CatalogError(*problems)
    return list(cases.values())


def is_case_of(line: bytes, traces: Collection[str]) -> bool:
    """Whether a line is a case of one of some traces, even one that is broken otherwise."""
    try:
        origin = json.loads(line)["origin"]
        return origin["trace_id"] in traces
    except (ValueError, TypeError, LookupError, RecursionError):
        return any(trace.encode("utf-8", "surrogatepass") in line for trace in traces)


def explain(error: Exception) -> str:
    """Explains why a line is no case."""
    if isinstance(error, ValidationError):
        first = explain_first(Case, error)
        where = ".".join(map(str, first.at))
        return f"{where}: {first.message}" if where else first.message
    return "expected one JSON object a line, as `andon case add` writes it"


def format_cases(cases: Iterable[Case]) -> bytes:
    """Returns cases as a file: one a line, in a stable order, so that versions compare well."""
    ordered = sorted(cases, key=lambda case: (case.dimension, case.id))
    return "".join(f"{format_case(case)}\n" for case in ordered).encode()


def format_case(case: Case) -> str:
    """Returns a case as a line; characters that do not show are escaped, as in a terminal."""
    text = json.dumps(encode_case(case), ensure_ascii=False)
    return HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def encode_case(case: Case) -> dict[str, Any]:
    """Returns a case as JSON, without what is empty."""
    return case.model_dump(mode="json", exclude_defaults=True)


def hash_cases(cases: Sequence[Case]) -> str:
    """Returns the version of a set: a hash of its content."""
    ordered = sorted(cases, key=lambda case: (case.dimension, case.id))
    return digest([encode_case(case) for case in ordered])
