"""People's verdicts on a night's traces, in the words of the suites: what judges agree with.

What several labels of one answer mean is `evals.evaluators.label_verdicts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import get_args

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.label_verdicts import (
    TIE,
    compare_people,
    decide_people,
    select_deciding,
)
from evals.evaluators.label_wordings import select_worded
from evals.labels.alignment import choose_split
from evals.labels.groups import is_held_out, name_group
from evals.records import Label, Outcome, Subject
from evals.specs import Catalog, Classifier, Dimension
from evals.specs.label_rules import LabelRules
from evals.storage.lake import Lake
from evals.table_rows import MappedLabel
from evals.worklist.session_traces import read_last_turns

About = tuple[date, str, str, str]
"""Night, application, trace and dimension."""


def map_labels(
    lake: Lake, catalog: Catalog, labels: Sequence[Label], night: date
) -> list[MappedLabel]:
    """Maps people's labels to verdicts: one row per trace × dimension on which they have one.

    Args:
        lake: has the night's traces.
        catalog: its suites say how labels are read.
        labels: every label.
        night: the night.
    """
    references = GoldAndLabels.of(catalog.root, labels)
    learners = defaultdict(dict[str, Classifier], find_learners(catalog))
    labelled = set(references.labels)
    mapped: list[MappedLabel] = []
    for trace in lake.stream_night("traces", night, ("trace_id", labelled)):
        for dimension in list_dimensions(catalog, trace.app, "trace"):
            given = references.every_label_on(trace, dimension.labels_name)
            about = (night, trace.app, trace.trace_id, dimension.dimension)
            row = map_given(dimension, given, about, trace.session_id)
            if row:
                spec = learners[trace.app].get(dimension.dimension)
                mapped.append(hold_out(row, spec, trace.input, trace.context, trace.session_id))
    sessions = map_sessions(lake, catalog, references, night)
    return [*mapped, *sessions, *map_unlabelled(lake, catalog, labelled, night)]


def map_sessions(
    lake: Lake, catalog: Catalog, references: GoldAndLabels, night: date
) -> Iterator[MappedLabel]:
    """Maps people's labels of sessions, on the dimensions that evaluate sessions.

    A label of the session's last turn counts as one of the session.
    """
    for app in catalog.apps:
        dimensions = list_dimensions(catalog, app, "session")
        for turn in read_last_turns(lake, night, app) if dimensions else ():
            for dimension in dimensions:
                given = references.every_label_on_session(turn, dimension.labels_name)
                about = (night, app, turn.trace_id, dimension.dimension)
                row = map_given(dimension, given, about, turn.session_id)
                if row:
                    yield row._replace(subject="session", subject_id=turn.session_id)


def map_unlabelled(
    lake: Lake, catalog: Catalog, labelled: set[str], night: date
) -> Iterator[MappedLabel]:
    """Yields the verdicts on traces without any label, where a suite gives one to them."""
    implied = {app: list(find_implied(catalog, app)) for app in catalog.apps}
    if not any(implied.values()):
        return
    learners = find_learners(catalog)
    columns = ("trace_id", "app", "session_id", *(("input", "context") if learners else ()))
    for rows in lake.stream_batches("traces", night, columns):
        for row in rows:
            if row["trace_id"] not in labelled:
                for name, result in implied.get(row["app"], ()):
                    about = (night, row["app"], row["trace_id"], name)
                    built = build_row(*about, result, row["session_id"])
                    spec = learners.get(row["app"], {}).get(name)
                    read = (row.get("input"), row.get("context"), row["session_id"])
                    yield hold_out(built, spec, *read)


def find_implied(catalog: Catalog, app: str) -> Iterator[tuple[str, Outcome]]:
    """Yields the dimensions on which an answer without a label has a verdict, with the verdict."""
    for dimension in list_dimensions(catalog, app, "trace"):
        result = decide_people(dimension.label_rules, ())
        if isinstance(result, Outcome):
            yield dimension.dimension, result


def map_given(
    dimension: Dimension, given: Sequence[Label], about: About, session_id: str | None
) -> MappedLabel | None:
    """Maps the labels of a trace or session that were given under the present wording.

    Those of another wording decide nothing, and are counted; where there is no other, the subject
    has no verdict, also where the suite gives one to subjects without labels.
    """
    labels = select_worded(given, dimension.question)
    rules = dimension.label_rules
    row = map_votes(rules, labels.votes, about, session_id) if labels.is_decidable else None
    if labels.earlier and row is None:
        row = build_row(*about, None, session_id)
    return row._replace(earlier=len(labels.earlier)) if row else None


def map_votes(
    rules: LabelRules, votes: Sequence[Label], about: About, session_id: str | None
) -> MappedLabel | None:
    """Maps people's votes on a trace or session; None if they decided nothing and did not tie."""
    result = decide_people(rules, votes)
    if not isinstance(result, Outcome) and result != TIE:
        return None
    deciding = select_deciding(votes)
    chances = [chance for one in deciding if (chance := one.sampling_probability)]
    verdict = result if isinstance(result, Outcome) else None
    row = build_row(*about, verdict, session_id)
    people = compare_people(rules, votes)
    return row._replace(
        probability=1.0 if rules.unlabelled else max(chances, default=None),
        pairs=people.pairs,
        pairs_agreed=people.agreed,
        pairs_passed=people.passed,
    )


def build_row(
    night: date,
    app: str,
    trace_id: str,
    dimension: str,
    result: Outcome | None,
    session_id: str | None,
) -> MappedLabel:
    """Builds the row of what people decided on a trace; None: they tied."""
    verdict = ("pass" if result.passed else "fail") if result else None
    split = choose_split(session_id or trace_id)
    return MappedLabel(night, app, trace_id, dimension, verdict, probability=1.0, split=split)


def hold_out(
    row: MappedLabel,
    spec: Classifier | None,
    asked: str | None,
    context: str | None,
    session_id: str | None,
) -> MappedLabel:
    """Returns a row with the classifier that may learn from it, and whether it never does."""
    if spec is None:
        return row
    group = name_group(session_id, asked, context, spec.group)
    return row._replace(learner=spec.classifier, held_out=is_held_out(group))


def find_learners(catalog: Catalog) -> dict[str, dict[str, Classifier]]:
    """Finds the classifiers of dimensions, by application."""
    found: dict[str, dict[str, Classifier]] = {}
    for app in catalog.apps:
        suite = catalog.suites.get(catalog.app(app).suite or "")
        for dimension in suite.dimensions if suite else ():
            name = dimension.check and dimension.check.name_of("classifier")
            if name in catalog.classifiers:
                found.setdefault(app, {})[dimension.dimension] = catalog.classifiers[name]
    return found


def list_dimensions(catalog: Catalog, app: str, subject: Subject) -> Sequence[Dimension]:
    """Returns the dimensions of an application that evaluate a subject; none of a broken one.

    A guardrail is one too, under its own name, unless the suite has one of that name.
    """
    if app in catalog.broken:
        return ()
    suite = catalog.suites.get(catalog.app(app).suite or "")
    own = [one for one in suite.dimensions if one.subject == subject] if suite else []
    return own if subject != "trace" else [*own, *list_guardrails(catalog, app, own)]


def list_every_dimension(catalog: Catalog, app: str) -> list[Dimension]:
    """Lists the dimensions of an application, whatever they evaluate; none of an unknown one."""
    if app not in catalog.apps:
        return []
    return [one for subject in get_args(Subject) for one in list_dimensions(catalog, app, subject)]


def list_guardrails(catalog: Catalog, app: str, own: Sequence[Dimension]) -> Sequence[Dimension]:
    """Returns the guardrails of an application as dimensions that people may label."""
    taken = {one.dimension for one in own} | {one.labels_name for one in own}
    return [
        Dimension(dimension=name, question=spec.question)
        for name, spec in catalog.guardrails.items()
        if name not in taken and (not spec.apps or app in spec.apps)
    ]
