"""Drafts the evaluator of a failure mode: YAML, and its labelled examples as its test.

Changes no file; the drafts are shown as a patch, or written by whoever asked for them.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evals.error_analysis.check_choice import Choice, choose_check
from evals.error_analysis.suite_text import UnusualSuiteError, insert_dimension
from evals.records import Json
from evals.specs import Catalog
from evals.specs.cases import EXAMPLES, Case, format_cases, locate_cases
from evals.specs.yaml_text import dump_yaml
from evals.storage.documents.failure_modes import Action, FailureMode

Kind = Literal["assertion", "guard", "judge"]
KINDS: dict[Action, Kind] = {"assertion": "assertion", "guard": "guard", "judge": "judge"}
PLACEHOLDER = "WRITE WHAT A BAD ANSWER CONTAINS"
"""The pattern of a draft that a person still has to write."""
PIN = """\
judge-mini:
  model: gpt-4.1-mini-2025-04-14  # asked with the key in OPENAI_API_KEY
# or any server that speaks OpenAI's API:
# judge-own: {model: our-judge, base_url: "http://127.0.0.1:8000/v1"}"""
WHY_SHOWN = 5
"""Notes quoted in a judge's instructions."""


class ScaffoldError(ValueError):
    """Nothing can be drafted; the message gives the reason and what to do."""


class DraftedFile(NamedTuple):
    """A file of the catalog as the draft would have it."""

    path: Path
    before: str
    """Empty: the file is new."""
    after: str

    @property
    def is_new(self) -> bool:
        """Whether there is no such file yet."""
        return not self.before


class Scaffold(NamedTuple):
    """What was drafted for a mode."""

    dimension: str
    kind: Kind
    files: tuple[DraftedFile, ...]
    examples: tuple[Case, ...]
    words: str
    """How the draft does on its examples so far, and what to do next."""


class Draft(NamedTuple):
    """The evaluator of a mode before it is placed in files."""

    check: dict[str, Any]
    """As in a suite, such as `{assertion: length, params: …}`."""
    comment: str
    """What a person still has to do, as a comment above it."""
    words: str


def draft_evaluator(
    catalog: Catalog, app: str, mode: FailureMode, form: Kind, examples: Sequence[Case]
) -> Scaffold:
    """Drafts an evaluator for a failure mode of an application.

    Raises:
        ScaffoldError: the application is not declared, the name is taken, there is no example
            that failed, or a judge has no model to ask.
    """
    check_request(catalog, app, mode, examples)
    draft = draft_judge(catalog, mode) if form == "judge" else draft_check(catalog, examples)
    files = [place_judge(catalog, mode, examples)] if form == "judge" else []
    if form == "guard":
        files.append(place_guard(catalog, app, mode, draft))
    else:
        files += place_dimension(catalog, app, mode, draft)
    path = locate_cases(catalog.root, mode.name, EXAMPLES)
    files.append(make_new(path, format_cases(examples).decode("utf-8", "surrogatepass")))
    return Scaffold(mode.name, form, tuple(files), tuple(examples), draft.words)


def check_request(catalog: Catalog, app: str, mode: FailureMode, examples: Sequence[Case]) -> None:
    """Refuses a mode that no evaluator can be drafted for.

    Raises:
        ScaffoldError: why.
    """
    if app not in catalog.apps:
        raise ScaffoldError(f"{catalog.root} does not declare {app!r}: write apps/{app}.yaml first")
    taken = {one.dimension for one in catalog.dimensions_of(catalog.apps[app])}
    if mode.name in taken or mode.name in catalog.guardrails:
        raise ScaffoldError(f"{app} has {mode.name!r} already; change it, or rename the mode")
    if not any(case.verdict == "fail" for case in examples):
        raise ScaffoldError(f"no trace of {mode.name!r} is stored any more: nothing to draft from")


def draft_check(catalog: Catalog, examples: Sequence[Case]) -> Draft:
    """Drafts a check by code: the one that separates the examples best."""
    choice = choose_check(catalog, examples)
    if choice and choice.is_enough:
        check: dict[str, Any] = {"assertion": choice.check}
        check |= {"params": dict(choice.params)} if choice.params else {}
        return Draft(check, describe_choice(choice), f"`{choice.check}` gets {choice.describe()}")
    params = {"pattern": PLACEHOLDER, "forbid": True}
    if choice and not choice.passing:
        words = (
            "no example passes, and a check that fails every answer would get all right: write "
            "the pattern, or note some traces in which nothing broke (`--pass`) and draft again"
        )
        return Draft({"assertion": "regex", "params": params}, words, words)
    best = (
        f"; the best, `{choice.check}`, gets {choice.describe()}"
        if choice and choice.gain > 0
        else ""
    )
    words = f"no check by code separates the examples{best}: write the pattern, or draft a judge"
    return Draft({"assertion": "regex", "params": params}, words, words)


def describe_choice(choice: Choice) -> str:
    """Describes a choice as the comment above it."""
    return f"Drafted: gets {choice.describe()}. Read the examples before it decides."


def draft_judge(catalog: Catalog, mode: FailureMode) -> Draft:
    """Drafts the dimension of a judge.

    Raises:
        ScaffoldError: the catalog has no model, or a judge of this name.
    """
    if not catalog.models:
        raise ScaffoldError(
            f"no model to ask: declare a pin in {catalog.root / 'models.yaml'}, such as\n{PIN}"
        )
    if mode.name in catalog.judges:
        raise ScaffoldError(
            f"there is a judge {mode.name!r} already; change it, or rename the mode"
        )
    words = "people's labels decide whether it may gate: `andon review` collects them"
    return Draft({"judge": mode.name}, f"Drafted: {words}.", f"a judge asks a model: {words}")


def place_judge(catalog: Catalog, mode: FailureMode, examples: Sequence[Case]) -> DraftedFile:
    """Writes a judge's file: its question, and what people wrote when they saw the failure."""
    failing = [case for case in examples if case.verdict == "fail"]
    reasons = dict.fromkeys(" ".join(case.why.split()) for case in failing if case.why)
    quoted = "\n".join(f"- {reason}" for reason in list(reasons)[:WHY_SHOWN])
    reads = ["input", "output"]
    reads += ["context"] if any(case.trace.context for case in examples) else []
    reads += ["steps"] if any(map(has_own_steps, examples)) else []
    system = (
        f"You check one criterion. {ask_question(mode)}\n"
        "People failed answers for reasons such as these:\n"
        f"{quoted}\n"
        "Judge nothing else. Write a short critique, then pass or fail."
    )
    judge = {
        "judge": mode.name,
        "asks": ask_question(mode),
        "model": sorted(catalog.models)[0],
        "system": system,
        "reads": reads,
    }
    head = "# Drafted of open notes: sharpen the criterion, and check which model it asks.\n"
    path = catalog.root / "judges" / f"{mode.name}.yaml"
    return make_new(path, head + dump_yaml(judge))


def has_own_steps(case: Case) -> bool:
    """Whether the steps of a trace show more than its context: calls of tools, agents, handoffs.

    What only retrieval found is in the context, and the model's call is the answer.
    """
    kinds = {read_kind(step) for step in case.trace.steps}
    return bool(kinds) and not (case.trace.context and kinds <= {"retrieval", "llm"})


def read_kind(step: Json) -> str:
    """Reads the kind of a step; empty where it names none."""
    return str(step.get("kind") or "") if isinstance(step, dict) else ""


def place_guard(catalog: Catalog, app: str, mode: FailureMode, draft: Draft) -> DraftedFile:
    """Writes a guardrail's file; it flags, until a person lets it block."""
    params = {"params": draft.check["params"]} if "params" in draft.check else {}
    guard = {
        "guardrail": mode.name,
        "question": ask_question(mode),
        "check": draft.check["assertion"],
        **params,
        "action": "flag",
        "severity": "medium",
        "apps": [app],
    }
    path = catalog.root / "guardrails" / f"{mode.name}.yaml"
    return make_new(path, f"# {draft.comment}\n{dump_yaml(guard)}")


def place_dimension(
    catalog: Catalog, app: str, mode: FailureMode, draft: Draft
) -> list[DraftedFile]:
    """Adds a dimension to the application's suite; without a suite, writes one and names it."""
    row = {"dimension": mode.name, "question": ask_question(mode), "check": draft.check}
    row |= {"gate": False} if "assertion" in draft.check else {}
    listed = f"# {draft.comment}\n{dump_yaml([row])}"
    name = catalog.apps[app].suite
    if name is None:
        path = catalog.root / "suites" / f"{app}.yaml"
        suite = f"suite: {app}\ndimensions:\n{textwrap.indent(listed, '  ')}"
        return [make_new(path, suite), name_suite(catalog.root / "apps" / f"{app}.yaml", app)]
    path = catalog.root / "suites" / f"{name}.yaml"
    before = path.read_text("utf-8")
    try:
        return [DraftedFile(path, before, insert_dimension(before, listed))]
    except UnusualSuiteError as error:
        raise ScaffoldError(f"{path}: {error}; add this to it by hand:\n{listed}") from error


def name_suite(path: Path, app: str) -> DraftedFile:
    """Names the new suite in the application's file."""
    before = path.read_text("utf-8")
    return DraftedFile(path, before, f"{before.rstrip()}\nsuite: {app}\n")


def ask_question(mode: FailureMode) -> str:
    """Returns the question of a mode's evaluator, to which yes is good."""
    words = mode.description.strip().rstrip(".?") or mode.name.replace("-", " ")
    return f"Is the answer free of this failure: {words}?"


def make_new(path: Path, text: str) -> DraftedFile:
    """Returns a new file.

    Raises:
        ScaffoldError: it exists.
    """
    if path.exists():
        raise ScaffoldError(f"{path} exists, and is never overwritten: move it, or rename the mode")
    return DraftedFile(path, "", text)


def render_patch(scaffold: Scaffold, root: Path) -> str:
    """Renders a draft as a patch that `git apply` and `patch -p1` take in the catalog's folder."""
    return "".join(render_file(one, root) for one in scaffold.files)


def render_file(drafted: DraftedFile, root: Path) -> str:
    """Renders one file's part of a patch."""
    name = drafted.path.relative_to(root).as_posix()
    old = "/dev/null" if drafted.is_new else f"a/{name}"
    lines = difflib.unified_diff(
        split_lines(drafted.before), split_lines(drafted.after), old, f"b/{name}"
    )
    return "".join(lines)


def split_lines(text: str) -> list[str]:
    """Splits a text at line feeds alone, as patches do; its last line ends with one."""
    lines = text.split("\n")
    return [f"{line}\n" for line in (lines[:-1] if not lines[-1] else lines)]
