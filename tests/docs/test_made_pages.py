"""Pages made from the code are up to date; the catalog's schemas accept what loads."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from evals.evaluators import catalog_schemas
from evals.reports import report
from evals.reports.schema import make_schema
from evals.specs import CatalogError, Suite, load_catalog
from evals.specs.mappings import MAPPED, SPAN_FIELDS
from tests.docs import fields, generate

TEAMS = generate.ROOT / "tests" / "catalogs"
CATALOGS = [
    generate.ROOT / "evals" / "catalog",
    *(TEAMS / name for name in ("nights", "pulled", "trained")),
]
PLACES = {
    "catalog": "catalog.yaml",
    "app": "apps/*.yaml",
    "suite": "suites/*.yaml",
    "judge": "judges/*.yaml",
    "classifier": "classifiers/*.yaml",
    "guardrail": "guardrails/*.yaml",
    "models": "models.yaml",
    "slices": "slices.yaml",
    "validation": "validation/*.yaml",
    "sources": "sources.yaml",
    "attacks": "attacks.yaml",
}
STALE = "stale: run `python -m tests.docs`"
SUITE = "suite: s\ndimensions:\n  - {dimension: d, question: 'Is it so?', check: CHECK}\n"


class Plain(yaml.SafeLoader):
    """YAML as an editor's schema sees it: a date is text."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Any:
    """YAML without dates."""
    return yaml.load(text, Plain)  # noqa: S506  a safe loader


make_pages = functools.cache(generate.quick)
"""Makes the pages once for all tests of a process."""
build_schemas = functools.cache(catalog_schemas.build_schemas)
"""Builds the schemas once for all tests of a process."""


def accepts(kind: str, value: Any) -> bool:
    """Whether a kind's schema accepts a value."""
    return jsonschema.Draft202012Validator(build_schemas()[kind]).is_valid(value)


def files() -> list[tuple[str, Path]]:
    """Every YAML file of the shipped catalogs with its kind."""
    return [
        (kind, path)
        for root in CATALOGS
        for kind, pattern in PLACES.items()
        for path in sorted(root.glob(pattern))
    ]


@pytest.mark.parametrize("name", sorted(make_pages()))
def test_a_made_page_is_up_to_date(name: str) -> None:
    """A page made from commands, specs or checks changes with them, or this fails."""
    assert (generate.DOCS / name).read_text("utf-8") == make_pages()[name], STALE


@pytest.mark.slow
def test_the_table_of_assets_is_what_dagster_loads() -> None:
    """Every asset with its group, grain, kinds and owner is in the table, and no other."""
    assert (generate.DOCS / "assets.md").read_text("utf-8") == generate.assets(), STALE


def test_no_schema_is_left_over() -> None:
    """Each file in `schema/` belongs to a kind of file there is."""
    found = {path.name for path in (generate.DOCS / "schema").iterdir()}
    assert found == {f"{kind}.schema.json" for kind in catalog_schemas.FILES}


@pytest.mark.parametrize("kind", sorted(catalog_schemas.FILES))
def test_a_schema_is_one(kind: str) -> None:
    """Each schema is valid under the dialect it names."""
    jsonschema.Draft202012Validator.check_schema(build_schemas()[kind])


def test_schemas_accept_every_file_of_a_catalog_that_loads() -> None:
    """What `load_catalog` takes, an editor does not underline."""
    for root in CATALOGS:
        load_catalog(root)
    seen = files()
    assert {kind for kind, _ in seen} == set(catalog_schemas.FILES)
    refused = [str(p) for kind, p in seen if not accepts(kind, read(p.read_text("utf-8")) or {})]
    assert not refused


def test_schemas_refuse_an_unknown_key() -> None:
    """A key nobody reads is underlined in every kind of file."""
    first = {kind: read(path.read_text("utf-8")) for kind, path in reversed(files())}
    for kind, value in first.items():
        where = value
        if kind == "slices":
            where = value[0]
        elif kind == "models":
            where = next(iter(value.values()))
        where["no-such-key"] = 1
        assert not accepts(kind, value), kind


@pytest.mark.parametrize(
    "check",
    [
        "{}",
        "{assertion: json_schema}",
        "{assertion: no_such_check}",
        "{assertion: regex, params: {pattern: a, patern: b}}",
        "{assertion: numbers_in_source, judge: j}",
    ],
)
def test_schema_and_loader_refuse_the_same_checks(check: str, tmp_path: Path) -> None:
    """A check of no kind, of two, unknown, or with wrong params fails in the editor and at load."""
    from evals.evaluators import resolution

    text = SUITE.replace("CHECK", check)
    assert accepts("suite", read(SUITE.replace("CHECK", "{assertion: numbers_in_source}")))
    assert not accepts("suite", read(text))
    for folder, content in {"suites/s": text, "apps/a": "app: a\nsuite: s\n"}.items():
        path = tmp_path / f"{folder}.yaml"
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(CatalogError):
        resolution.resolve_app(load_catalog(tmp_path), "a")


def test_the_schema_that_ships_is_the_one_of_the_dataclasses() -> None:
    """`load_schema` reads what the generator writes, and each key of a result is explained."""
    schema = report.load_schema()
    assert schema == make_schema()
    rows = schema["$defs"]["Result"]["properties"]
    plain = {"evaluator_version", "passed", "failed"}
    assert {key for key, value in rows.items() if "description" not in value} <= plain


def test_every_example_of_labels_is_a_suite() -> None:
    """Each block of the page about labels loads as it is."""
    text = generate.LABELS_PROSE.read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        assert Suite.model_validate(yaml.safe_load(block)).dimensions
        assert accepts("suite", yaml.safe_load(block))


def test_every_field_of_a_trace_is_on_the_page_of_fields() -> None:
    """With what uses it; a span's fields likewise."""
    assert set(fields.USES) == set(MAPPED)
    assert set(fields.SPAN_USES) == set(SPAN_FIELDS)
