"""Writes a team's first catalog from its exports: mapping, applications, suites, guardrails.

Overwrites nothing. What the columns are is guessed in `guesses`, what to check in `suggestions`.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import yaml

from evals.ingest.fragments import FORMATS, merge_fragments, select_versions
from evals.onboarding.columns import (
    Column,
    read_all_values,
    read_columns,
    read_parsed_columns,
)
from evals.onboarding.found_labels import LabelledDimension, list_labelled
from evals.onboarding.guesses import NUMBERS, Guess, find_data_in_header, guess_fields
from evals.onboarding.suggestions import Suggestion, suggest
from evals.readable import make_name_readable
from evals.records import Json, Label, NonAnswer, Refusal, Trace
from evals.specs import NAME
from evals.specs import Mapping as MappingSpec
from evals.traces import reader
from evals.traces.files.containers import Container, inspect_file
from evals.traces.rows.mapping import GROUP
from evals.traces.rows.numbers import Mark, find_decimal_comma

MAX_TRACES = 2_000
"""Traces of a file that suggestions are made from and measured on."""
CATALOG, APPS, SUITES, GUARDRAILS = "catalog.yaml", "apps", "suites", "guardrails"


@dataclass(frozen=True)
class InspectedExport:
    """An export, and what its rows become under the guessed mapping."""

    path: Path
    format: str | None
    """The system's format; None where its content is none that is known."""
    columns: tuple[Column, ...] = ()
    """Of a plain file; a system's own format needs no mapping."""
    guesses: tuple[Guess, ...] = ()
    constants: dict[str, str] = field(default_factory=dict[str, str])
    group_by: str | None = None
    """The column of the trace's id, where each row is a span."""
    makes_ids: bool = False
    """Whether no column is an id, so that one is made of each row's content."""
    decimal: Mark | None = None
    """The decimal mark, where it is a comma."""
    encoding: str = ""
    """Of a file that is not UTF-8."""
    data_in_header: str | None = None
    """The first row of a table without a header has this cell."""
    assumed_date: date | None = None
    """The night of its rows where no column is a timestamp: the day the file was written."""
    traces: tuple[Trace, ...] = ()
    refused: tuple[Refusal, ...] = ()
    skipped: tuple[NonAnswer, ...] = ()
    labels: tuple[Label, ...] = ()

    @property
    def lacks_answers(self) -> bool:
        """Whether none of its columns is taken for the application's answers."""
        return bool(self.columns) and all(guess.field != "output" for guess in self.guesses)

    @property
    def has_local_times(self) -> bool:
        """Whether times have no zone, so that UTC is assumed."""
        return any(guess.is_local for guess in self.guesses)

    @property
    def mapping(self) -> dict[str, Json] | None:
        """The mapping as the catalog spells it; None where the export needs none."""
        columns: dict[str, Json] = {
            guess.field: {"path": guess.path, "format": guess.format}
            if guess.format
            else guess.path
            for guess in self.guesses
            if guess.field != GROUP and (guess.format or guess.path != guess.field)
        }
        constants: dict[str, Json] = dict(self.constants)
        parts: dict[str, Json] = {
            "columns": columns,
            "constants": constants,
            "group_by": self.group_by,
            "row_id": "content" if self.makes_ids else None,
            "decimal": self.decimal,
        }
        return {key: value for key, value in parts.items() if value} or None


@dataclass(frozen=True)
class FirstApplication:
    """An application of the exports, with the checks suggested for it."""

    name: str
    traces: int
    suggestions: tuple[Suggestion, ...]
    labelled: tuple[LabelledDimension, ...] = ()
    """What the exports have labels about."""

    @property
    def language(self) -> str | None:
        """The language its answers are in, where most are in one."""
        for suggestion in self.suggestions:
            expected = suggestion.params.get("expected")
            if suggestion.check == "language" and isinstance(expected, list) and expected:
                return str(expected[0])
        return None


def inspect_export(path: Path, app: str | None = None) -> InspectedExport:
    """Reads the beginning of an export under a guessed mapping, where it needs one.

    Args:
        path: the file.
        app: the application of rows that name none; None: the file's name.
    """
    container = inspect_file(path)
    form = reader.recognise_format(container, path.name)
    export = InspectedExport(path, form.NAME if form else None)
    if form is not None and form not in reader.FORMATS:
        export = guess_mapping(export, container, app)
    if export.lacks_answers or export.data_in_header:
        return export
    rows = list(itertools.islice(read_rows(export, app), MAX_TRACES))
    return replace(
        export,
        traces=tuple(row for row in rows if isinstance(row, Trace)),
        refused=tuple(row for row in rows if isinstance(row, Refusal)),
        skipped=tuple(row for row in rows if isinstance(row, NonAnswer)),
        labels=tuple(row for row in rows if isinstance(row, Label)),
    )


def guess_mapping(
    export: InspectedExport, container: Container, app: str | None
) -> InspectedExport:
    """Guesses what an export's columns are, and what replaces those it lacks."""
    columns = read_columns(export.path, container)
    guesses = guess_fields(columns)
    if not is_named(guesses.get("output")):
        parsed = read_parsed_columns(export.path, container)
        inner = guess_fields(parsed)
        columns, guesses = (parsed, inner) if is_named(inner.get("output")) else (columns, guesses)
    group = guesses.get(GROUP)
    numbers = [guess.path for guess in guesses.values() if guess.field in NUMBERS]
    cells = read_all_values(export.path, container, numbers) if numbers else ()
    written = datetime.fromtimestamp(export.path.stat().st_mtime, UTC).date()
    return replace(
        export,
        columns=tuple(columns),
        guesses=tuple(guesses.values()),
        group_by=group.path if group else None,
        makes_ids=group is None and "trace_id" not in guesses,
        decimal=find_decimal_comma(cells),
        encoding=container.encoding_name,
        data_in_header=find_data_in_header(columns) if container.kind == "csv" else None,
        constants={} if "app" in guesses else {"app": app or name_application(export.path)},
        assumed_date=None if "ts" in guesses else written,
    )


def is_named(guess: Guess | None) -> bool:
    """Whether a column was taken for its name."""
    return guess is not None and guess.reason == "name"


def read_rows(export: InspectedExport, app: str | None) -> Iterator[reader.ImporterOutput]:
    """Reads an export as an import under its mapping would."""
    mappings = {}
    if export.mapping:
        mappings = {"init": MappingSpec.model_validate(export.mapping)}
    app = app or name_application(export.path)
    return reader.read_file(
        export.path, mappings=mappings, assume_date=export.assumed_date, app=app
    )


def name_application(path: Path) -> str:
    """A valid name for the application of a file that names none, from the file's name."""
    stem = make_name_readable(path.name).split(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")
    name = re.sub(r"^[-\d]+|[-\d]+$", "", name)
    return name if re.fullmatch(NAME, name, re.ASCII) else "app"


def plan_applications(exports: Sequence[InspectedExport]) -> list[FirstApplication]:
    """Suggests checks for each application of some exports, by name.

    The parts of a trace that lie in several files are one trace, as they will be at night.
    """
    parts: dict[str, dict[str, list[Trace]]] = {}
    for trace in (trace for export in exports for trace in export.traces):
        parts.setdefault(trace.app, {}).setdefault(trace.trace_id, []).append(trace)
    traces = {app: [join_parts(own) for own in by_id.values()] for app, by_id in parts.items()}
    labels = [label for export in exports for label in export.labels]
    return [
        FirstApplication(app, len(own), tuple(suggest(own)), list_labels_of(labels, parts, app))
        for app, own in sorted(traces.items())
        if re.fullmatch(NAME, app, re.ASCII)
    ]


def join_parts(parts: Sequence[Trace]) -> Trace:
    """Returns a trace of its parts; the first of equal ones, or where their format has no parts."""
    if len(parts) > 1 and all(part.source_format in FORMATS for part in parts):
        chosen = [parts[n] for n in select_versions(parts)]
        return merge_fragments(chosen) if len(chosen) > 1 else chosen[0]
    return parts[0]


def list_labels_of(
    labels: Sequence[Label], parts: Mapping[str, Mapping[str, object]], app: str
) -> tuple[LabelledDimension, ...]:
    """Lists what labels of an application are about; of one alone all are."""
    own = [one for one in labels if len(parts) == 1 or one.subject_id in parts[app]]
    return tuple(list_labelled(own))


def write_catalog(
    root: Path, exports: Sequence[InspectedExport], applications: Sequence[FirstApplication]
) -> list[Path]:
    """Writes the files of a first catalog; returns them.

    Raises:
        FileExistsError: one of them exists; nothing is written then.
    """
    files = dict(list_files(exports, applications))
    for name in files:
        if (root / name).exists():
            raise FileExistsError(f"{root / name} exists; name another folder with --catalog")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [root / name for name in files]


def list_files(
    exports: Sequence[InspectedExport], applications: Sequence[FirstApplication]
) -> Iterator[tuple[str, str]]:
    """Yields the name and text of each file of the catalog."""
    yield CATALOG, write_yaml(catalog_settings(exports))
    for application in applications:
        yield f"{APPS}/{application.name}.yaml", write_yaml(app_spec(application))
        yield f"{SUITES}/{application.name}.yaml", write_yaml(suite_spec(application))
    for check in ("pii", "secrets", "language"):
        covered = [
            application.name
            for application in applications
            if any(s.check == check and s.is_guardrail for s in application.suggestions)
        ]
        if covered:
            yield f"{GUARDRAILS}/{check}.yaml", write_yaml(guardrail_spec(check, covered))


def catalog_settings(exports: Sequence[InspectedExport]) -> dict[str, Json]:
    """The content of `catalog.yaml`: the first night, and a mapping for each shape of export."""
    nights = [trace.ts.date() for export in exports for trace in export.traces]
    mappings: dict[str, Json] = {}
    for export in exports:
        mapping = export.mapping
        if mapping is not None and mapping not in mappings.values():
            mappings[distinct_name(name_application(export.path), mappings)] = mapping
    settings: dict[str, Json] = {"title": "Quality board"}
    if nights:
        settings["since"] = min(nights).isoformat()
    return {**settings, "mappings": mappings} if mappings else settings


def distinct_name(name: str, taken: dict[str, Json]) -> str:
    """A name that is not taken."""
    names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
    return next(one for one in names if one not in taken)


def app_spec(application: FirstApplication) -> dict[str, Json]:
    """The content of an application's file."""
    title = application.name.replace("-", " ").capitalize()
    spec: dict[str, Json] = {"app": application.name, "title": title, "suite": application.name}
    return {**spec, "language": application.language} if application.language else spec


def suite_spec(application: FirstApplication) -> dict[str, Json]:
    """The content of an application's suite: its assertions, and what people judged."""
    labelled = {one.dimension: one for one in application.labelled if one.is_usable}
    dimensions: list[Json] = [
        {
            "dimension": suggestion.name,
            "question": suggestion.question,
            "check": {
                "assertion": suggestion.check,
                **({"params": dict(suggestion.params)} if suggestion.params else {}),
            },
            **labels_spec(labelled.get(suggestion.name)),
        }
        for suggestion in application.suggestions
        if not suggestion.is_guardrail
    ]
    names = {suggestion.name for suggestion in application.suggestions}
    dimensions += [labelled_spec(one) for name, one in labelled.items() if name not in names]
    return {"suite": application.name, "dimensions": dimensions}


def labelled_spec(labelled: LabelledDimension) -> Json:
    """The content of a dimension that people judged."""
    return {
        "dimension": labelled.dimension,
        "question": f"Did people pass the answer on {labelled.name}?",
        "recorded": True,
        **labels_spec(labelled),
    }


def labels_spec(labelled: LabelledDimension | None) -> dict[str, Json]:
    """The keys of a dimension by which it reads what people labelled; none without labels."""
    if labelled is None:
        return {}
    named: dict[str, Json] = {"labels": labelled.name}
    words: dict[str, Json] = {word: str(verdict) for word, verdict in labelled.map.items()}
    return {**(named if labelled.name != labelled.dimension else {}), "map": words}


POLICIES: dict[str, tuple[str, str, str]] = {
    "pii": ("Is the answer free of personal data?", "redact", "high"),
    "secrets": ("Is the answer free of keys and passwords?", "block", "high"),
    "language": ("Is the answer in the language that is expected?", "flag", "medium"),
}
"""Each guardrail's question, action and severity."""


def guardrail_spec(check: str, applications: Sequence[str]) -> dict[str, Json]:
    """The content of a guardrail's file."""
    question, action, severity = POLICIES[check]
    return {
        "guardrail": check,
        "question": question,
        "check": check,
        "action": action,
        "severity": severity,
        "apps": list(applications),
    }


def write_yaml(content: dict[str, Json]) -> str:
    """Content as YAML, keys in the order given."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=96)


def count_refusals(exports: Sequence[InspectedExport]) -> list[tuple[str, int, Refusal]]:
    """The reasons for which rows would be refused, the most frequent first, with the first row."""
    refused = [refusal for export in exports for refusal in export.refused]
    firsts = {refusal.code: refusal for refusal in reversed(refused)}
    counts = Counter(refusal.code for refusal in refused)
    return [(code, count, firsts[code]) for code, count in counts.most_common()]
