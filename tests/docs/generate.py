"""The pages of `docs/` that are made from the code: commands, catalog, assets.

`python -m tests.docs` writes them; the tests beside compare them. Prose is not made here.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from evals.evaluators import catalog_schemas, registry
from evals.labels.label_lines import LabelLine
from evals.reports.schema import make_schema
from tests.docs.evaluators import evaluators_page
from tests.docs.fields import fields_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MADE = "<!-- Made by `python -m tests.docs`; change {source} instead. -->\n"
WIDTH = 90
REPORT_SCHEMA = "../evals/reports/report.schema.json"
"""It ships with the package."""
REPORT_PROSE = Path(__file__).parent / "report_prose.md"
LABELS_PROSE = Path(__file__).parent / "labels_prose.md"


def quick() -> dict[str, str]:
    """The pages that need no Dagster, by path under `docs/`."""
    made = {"cli.md": cli(), "catalog.md": catalog(), "report.md": report_page()}
    made["fields.md"] = fields_page(
        MADE.format(source="`evals/traces/rows/` or `tests/docs/fields.py`")
    )
    made["evaluators.md"] = evaluators_page(
        MADE.format(source="the check in `evals/evaluators/checks/`"), table
    )
    made[REPORT_SCHEMA] = json.dumps(make_schema(), indent=1, ensure_ascii=False) + "\n"
    for kind, schema in catalog_schemas.build_schemas().items():
        made[f"schema/{kind}.schema.json"] = json.dumps(schema, indent=1) + "\n"
    return made


def cli() -> str:
    """Every command's own help."""
    module = importlib.import_module("orchestration.cli.main")
    parts = [
        "# `andon`\n",
        MADE.format(source="the docstrings in `orchestration/cli/`"),
        "Exit codes: 0 done; 2 the command or the catalog is wrong; 4 the machine, the network "
        "or a provider failed; 130 or 143 interrupted (SIGINT, SIGTERM); 141 the reader of its "
        "output, such as `head`, closed the pipe. `andon gate` alone answers for quality: 0 "
        "passed, 1 regressed, 3 inconclusive, 4 infrastructure.\n",
        "Completion of commands and options by Tab: `_ANDON_COMPLETE=bash_source andon > "
        "~/.andon-complete.bash`, then `source` that file in `~/.bashrc`; for zsh and fish write "
        "`zsh_source` or `fish_source`.\n",
    ]
    for path, command in commands(module.main, "andon"):
        context = click.Context(
            command, info_name=path, terminal_width=WIDTH, **module.main.context_settings
        )
        parts.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, depth first, in the order of their names."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], f"{path} {name}")


def catalog() -> str:
    """Every key of every file of a catalog, and the checks a suite may name."""
    parts = [
        "# The catalog\n",
        MADE.format(source="`evals/specs/` or the check"),
        "A folder of YAML, given by `--catalog` or `ANDON_CATALOG`. Every file has a JSON Schema "
        "in [`schema/`](schema); an editor with a YAML language server checks a file whose first "
        "line names it:\n",
        "```yaml\n# yaml-language-server: $schema=PATH/docs/schema/suite.schema.json\n```\n",
        "An unknown key, a wrong value, and a suite, judge or pin that nobody declares are refused "
        "before anything runs, with the file and the key. `andon doctor` also tries every slice "
        "and every `where`.\n",
    ]
    for kind, schema in catalog_schemas.build_schemas().items():
        parts.append(f"## `{catalog_schemas.FILES[kind]}`\n")
        parts += list(tables(schema))
    parts += ["## Gold sets: `gold/NAME.jsonl` or `gold/NAME.csv`\n", GOLD]
    parts += ["## Labels files\n", LABELS_PROSE.read_text("utf-8").rstrip() + "\n"]
    parts += [table(LabelLine.model_json_schema(by_alias=False))]
    parts += checks()
    return "\n".join(parts)


GOLD = (
    "Rows of `input` and `gold`: the gold value for every trace with that input. Both are redacted "
    "as the application's traces are, so write them as users do; spaces and ways to write one "
    "character are alike. Where redaction makes two inputs one and their gold values differ, "
    "neither is used. The report counts the rows whose input is that of no trace. A table may be "
    "separated by commas, semicolons or tabs, in any encoding of spreadsheets.\n\n"
    "A suite names the set with `gold: NAME`; `gold: labels` takes the value from labels whose "
    "annotator is `gold`. A trace without gold is skipped.\n"
)


def tables(schema: Mapping[str, Any]) -> Iterator[str]:
    """A schema's own keys, then those of each part it is made of."""
    body = schema.get("additionalProperties") or schema.get("items") or schema
    words = schema.get("description") or body.get("description", "")
    many = {"models": "By short name. ", "sources": "By short name. ", "slices": "A list. "}
    start = next((text for kind, text in many.items() if kind in schema["title"]), "")
    yield f"{start}{words}\n"
    yield table(body)
    for name, part in schema.get("$defs", {}).items():
        yield f"**{name}**: {part['description']}\n"
        yield table(part)


def report_page() -> str:
    """Every key of a report, from the schema, between the prose about it."""
    schema = make_schema()
    parts = [report_table(schema)]
    for name, part in schema["$defs"].items():
        parts.append(f"### {name}\n\n{part['description']}\n\n{report_table(part)}")
    made = MADE.format(source="the dataclasses in `evals/reports/` or `tests/docs/report_prose.md`")
    return REPORT_PROSE.read_text("utf-8").replace("MADE", made).replace("KEYS", "\n".join(parts))


def report_table(schema: Mapping[str, Any]) -> str:
    """The keys of a part of a report as a table; a key that may be absent is marked."""
    required = schema.get("required", ())
    lines = ["| key | value | meaning |", "|---|---|---|"]
    for key, value in schema["properties"].items():
        mark = "" if key in required else ", or absent"
        null = ", or null" if {"type": "null"} in value.get("anyOf", ()) else ""
        meaning = value.get("description", "")
        lines.append(f"| `{key}` | {kind_of(value)}{null}{mark} | {meaning} |")
    return "\n".join(lines) + "\n"


def table(schema: Mapping[str, Any]) -> str:
    """The keys of an object as a table."""
    required = schema.get("required", ())
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in schema["properties"].items():
        default = "**needed**" if key in required else shown(value.get("default"))
        meaning = value.get("description") or ("a name" if "pattern" in value else "")
        lines.append(f"| `{key}` | {kind_of(value)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def shown(default: Any) -> str:
    """A default in a table; nothing for what is empty."""
    parts = isinstance(default, dict) and any(not isinstance(v, str) for v in default.values())
    if default in (None, "", [], {}) or parts:
        return ""
    return f"`{json.dumps(default)}`"


def kind_of(value: Mapping[str, Any]) -> str:
    """What a key may hold, in a word or two."""
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2]
    if "anyOf" in value:
        return " or ".join(kind_of(v) for v in value["anyOf"] if v.get("type") != "null")
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if value.get("type") == "array":
        return f"list of {kind_of(value['items'])}" if "items" in value else "list"
    if "type" in value:
        return limits(value)
    return "anything"


def limits(value: Mapping[str, Any]) -> str:
    """A scalar's type, with its bounds where it has them."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value]
    name = {"string": "text", "object": "map"}.get(value["type"], value["type"])
    return f"{value.get('format') or name} {', '.join(bounds)}".strip()


CHECKS = '''
A suite names one by its kind, a guardrail by its name alone (of those that need no gold), or by \
kind as a suite does. `*` marks a param that is needed.

A team's own come from an installed package, through the entry-point group `andon.evaluators`:

```python
from evals.evaluators.code_checks import Params, check
from evals.records import Outcome, Trace


class Words(Params):
    most: int = 100


@check("short", kind="assertion", behaviour=1, params=Words)
def short(trace: Trace, params: Words, gold: object) -> Outcome:
    """The output has no more than some words."""
    return Outcome(len(trace.output.split()) <= params.most)
```

```toml
[project.entry-points."andon.evaluators"]
ours = "our_package.evaluators"  # a module, an evaluator, or a list of them
```

A word that is no kind yet is a new kind. The text of the module that the entry point names is \
part of the evaluator's version, and so is `behaviour`: raise it when code in another module \
changes verdicts. `andon doctor` lists the packages, and names one that cannot be loaded.
'''


def checks() -> Iterator[str]:
    """The checks a suite or a guardrail may name, with their params."""
    yield f"## Checks\n{CHECKS}"
    yield "Each with its params and two examples: [evaluators.md](evaluators.md).\n"
    yield "| kind | name | passes where | params |\n|---|---|---|---|"
    for kind in sorted(registry.declared_kinds()):
        for name, found in sorted(registry.types_of(kind).items()):
            if not found.names_specs:
                yield check_row(kind, name, found)
    yield ""


def check_row(kind: str, name: str, found: Any) -> str:
    """A check in one row."""
    schema = catalog_schemas.schema_of(found.params)
    needed = schema.get("required", ())
    params = [f"`{key}`{'*' if key in needed else ''}" for key in schema["properties"]]
    weak = f" *Weak: {found.weak}.*" if found.weak else ""
    words = f"{found.describe()}{weak}".replace("|", "\\|")
    return f"| {kind} | `{name}` | {words} | {', '.join(params)} |"


def assets() -> str:
    """Every Dagster asset of the demo's catalog, read in a process and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = {key: v for key, v in os.environ.items() if not key.startswith("ANDON_")}
        command = [sys.executable, "-W", "ignore", "-m", "tests.docs.assets"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment, "ANDON_HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout
