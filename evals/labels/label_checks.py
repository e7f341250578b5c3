"""Checks labels against the suites: whether a dimension exists there, and a word has a meaning.

Reads no file; a label's application is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_mapped, spell_verdict
from evals.labels.mapped_labels import list_guardrails
from evals.records import GoldValue, Label
from evals.specs import Catalog, Dimension, Suite
from evals.specs.spec_errors import find_nearest

SHOWN = 8
"""Names listed in a message."""

Vocabulary = Mapping[str, tuple[Dimension, ...]]
"""The dimensions of suites by the name that labels give them."""


class LabelProblem(NamedTuple):
    """Why no suite can use a label."""

    code: str
    """`unknown-dimension` or `unmapped-verdict`."""
    words: str


class LabelChecks:
    """The dimensions and words that each application's suite knows."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.by_app: dict[str, Vocabulary | None] = {}
        suites = {name for app in catalog.apps.values() if (name := app.suite)}
        everything = [d for name in sorted(suites) for d in catalog.suites[name].dimensions]
        everything += [d for app in catalog.apps for d in list_guardrails(catalog, app, everything)]
        is_known = not catalog.broken and all(app.suite for app in catalog.apps.values())
        self.anywhere = index_by_name(everything) if everything and is_known else None

    def find_vocabulary(self, app: str | None) -> Vocabulary | None:
        """Returns what labels of an application may name; None where everything is accepted.

        Args:
            app: the application; None: the trace has not arrived, so any application's suite will
                do. An application without a suite, or with a broken one, accepts everything.
        """
        if app is None:
            return self.anywhere
        if app not in self.by_app:
            name = None if app in self.catalog.broken else self.catalog.app(app).suite
            suite = self.catalog.suites.get(name or "")
            self.by_app[app] = self.index_suite(app, suite) if suite else None
        return self.by_app[app]

    def index_suite(self, app: str, suite: Suite) -> Vocabulary:
        """Indexes what labels of an application may name: dimensions and guardrails."""
        own = suite.dimensions
        return index_by_name([*own, *list_guardrails(self.catalog, app, own)])

    def find_problem(self, value: Label | GoldValue, app: str | None) -> LabelProblem | None:
        """Finds why the suite cannot use a label or gold value; None where it can."""
        vocabulary = self.find_vocabulary(app)
        if vocabulary is None:
            return None
        dimensions = vocabulary.get(value.dimension)
        if dimensions is None:
            message = describe_unknown(value.dimension, vocabulary, app)
            return LabelProblem("unknown-dimension", message)
        if isinstance(value, GoldValue):
            return None
        maps = [d.label_rules.map_for(value.annotator_kind) for d in dimensions]
        if any(is_mapped(mapping, value.verdict) for mapping in maps):
            return None
        if value.verdict in (None, ""):
            return LabelProblem("unmapped-verdict", "`verdict` is empty")
        mapped = list(dict.fromkeys(word for mapping in maps for word in mapping))
        words = describe_unmapped(value.dimension, spell_verdict(value.verdict)[:60], mapped)
        return LabelProblem("unmapped-verdict", words)


def describe_unmapped(name: str, word: str, mapped: Sequence[str]) -> str:
    """Describes a verdict that the suite does not map, and how it would."""
    is_boolean = word.casefold() in ("true", "false")
    names = ", ".join(mapped) if is_boolean else list_names(mapped, word)
    both = "'true': pass, 'false': fail" if is_boolean else f"{word!r}: pass"
    remedy = f"a `map` such as `{{{both}}}` in the suite would read it"
    return f"`verdict` is {word!r}; {name} maps {names}; {remedy}"


def index_by_name(dimensions: Iterable[Dimension]) -> Vocabulary:
    """Indexes dimensions by the name that labels give them; several may share one."""
    vocabulary: dict[str, tuple[Dimension, ...]] = {}
    for dimension in dimensions:
        vocabulary[dimension.labels_name] = (*vocabulary.get(dimension.labels_name, ()), dimension)
    return vocabulary


def describe_unknown(name: str, vocabulary: Vocabulary, app: str | None) -> str:
    """Describes a dimension that no suite names, with those that labels may name."""
    whose = f"the suite of {app} has" if app else "the suites have"
    meant = next(
        (
            labels_name
            for labels_name, same in vocabulary.items()
            if name in {d.dimension for d in same}
        ),
        None,
    )
    if meant:
        return f"`dimension` is {name!r}; the suite's `labels` calls it {meant!r} in labels"
    names = list_names(list(vocabulary), name)
    remedy = "" if "did you mean" in names else "; one of this name with `recorded: true` uses it"
    return f"`dimension` is {name[:60]!r}; {whose} {names}{remedy}"


def list_names(names: Collection[str], wanted: str) -> str:
    """Lists names, and the nearest one to what was found."""
    shown = ", ".join(list(names)[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    near = find_nearest(wanted, names)
    return shown + (f"; did you mean {near!r}?" if near else "")
