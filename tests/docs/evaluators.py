"""The page of every check by code: what it promises, its params, and two examples that are run."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from evals.evaluators import catalog_schemas, registry
from evals.evaluators.code_checks import CodeCheck, Examples
from evals.evaluators.registry import FAMILIES, GUARD_FAMILIES, types_in

INTRODUCTION = """\
Every check that needs no model, by family. Each is declared in two lines of a suite; a guardrail \
may name those that need no gold. A trace that a check cannot judge is skipped, with the reason in \
the report; what goes wrong in a check is an error. Neither counts as a verdict.

The examples below are run by the tests: the first trace passes, the second fails. Checks of \
answers read at most what is named under *reads*; one that reads `output` skips a request that was \
not answered. **Weak** marks a check whose verdict says little by itself: measure it against \
labels before it gates a night.

A comparison of attributes has precision, recall and F1 of each attribute, of all together and \
their mean in the report's section `extraction`, with intervals clustered by session \
([measured.md](measured.md)); `abstention` has both kinds of error there: questions with an answer \
that were not answered, and questions without one that were. Give an abstention set as many of one \
sort as of the other, since an application that always answers passes every question that has an \
answer. A gold set has a version, the digest of its rows, in `results[].gold.version`; where it \
was edited before a rate changed, the report names `gold` as a cause.
"""
TEXT_CHECKS = "text_checks"


def evaluators_page(made: str, table: Callable[[Mapping[str, Any]], str]) -> str:
    """Every check by family."""
    parts = ["# Evaluators by code\n", made, INTRODUCTION, *list_families()]
    for family in list_documented():
        module = find_module(family)
        lines = (inspect.getdoc(module) or "").split("\n\n")
        parts.append(f"## {title(family)}\n\n{' '.join(lines[0].split())}\n")
        for found in checks_of(family):
            parts += describe_check(found, table)
    return "\n".join(parts)


def list_documented() -> list[str]:
    """The families with checks by code; what asks a server is in `docs/guardrails.md`."""
    return [one for one in (*FAMILIES, TEXT_CHECKS, *GUARD_FAMILIES) if checks_of(one)]


def checks_of(family: str) -> list[CodeCheck[Any]]:
    """The checks of a family."""
    return [one for one in types_in(find_module(family)) if isinstance(one, CodeCheck)]


def find_module(family: str) -> Any:
    """The module of a family."""
    folder = "guard_checks." if family in GUARD_FAMILIES else "checks."
    place = TEXT_CHECKS if family == TEXT_CHECKS else f"{folder}{family}"
    return importlib.import_module(f"evals.evaluators.{place}")


def title(family: str) -> str:
    """A family's heading."""
    return "Texts" if family == TEXT_CHECKS else family.capitalize().replace("_", " ")


def list_families() -> Iterator[str]:
    """A table of all checks with links."""
    yield "| family | checks |\n|---|---|"
    for family in list_documented():
        names = ", ".join(f"[`{one.name}`](#{one.name})" for one in checks_of(family))
        yield f"| [{title(family)}](#{title(family).lower().replace(' ', '-')}) | {names} |"
    yield ""


def describe_check(
    found: CodeCheck[Any], table: Callable[[Mapping[str, Any]], str]
) -> Iterator[str]:
    """One check: its promise, what it reads, its params, and its examples."""
    yield f"### `{found.name}`\n"
    yield f"{inspect.getdoc(found.function)}\n"
    reads = ", ".join(f"`{name}`" for name in found.reads)
    gold = "; needs gold" if found.needs_gold else ""
    weak = f" **Weak**: {found.weak}." if found.weak else ""
    yield f"Kind `{found.kind}`; reads {reads}{gold}.{weak}\n"
    schema = catalog_schemas.schema_of(found.params)
    if schema["properties"]:
        yield table(schema)
    if found.examples:
        yield from describe_examples(found, found.examples)


def describe_examples(found: CodeCheck[Any], examples: Examples) -> Iterator[str]:
    """The declaration in a suite, a trace that passes, and one that fails with the reason."""
    check: dict[str, Any] = {found.kind: found.name}
    check |= {"params": dict(examples.params)} if examples.params else {}
    check |= {"gold": "NAME"} if found.needs_gold else {}
    yield f"```yaml\n- dimension: {found.name.replace('_', '-')}\n  question: Is it so?"
    yield f"  check: {write_flow(check)}\n```\n"
    if examples.gold is not None:
        yield f"Gold: `{json.dumps(examples.gold, ensure_ascii=False)}`\n"
    _, failing = examples.traces()
    result = found.run(failing, dict(examples.params), examples.gold)  # pyright: ignore
    yield f"Passes:\n\n```yaml\n{write_fields(examples.passes)}```\n"
    yield f"Fails, since *{getattr(result, 'explanation', '')}*:\n"
    yield f"```yaml\n{write_fields(examples.fails)}```\n"


def write_flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n...\n").rstrip()


def write_fields(fields: Mapping[str, Any]) -> str:
    """The fields of a trace as YAML."""
    return "".join(
        f"{name}: {write_text(value) if isinstance(value, str) else write_flow(value)}\n"
        for name, value in fields.items()
    )


def write_text(text: str) -> str:
    """A text as YAML; one of several lines as a block."""
    if "\n" not in text:
        return write_flow(text)
    return "|\n" + "\n".join(f"  {line}".rstrip() for line in text.rstrip("\n").split("\n"))


def list_checks() -> list[CodeCheck[Any]]:
    """Every check that comes with Andon."""
    return [one for one in registry.shipped_types().values() if isinstance(one, CodeCheck)]
