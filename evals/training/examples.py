"""Collects what a classifier learns from and is measured on: traces with verdicts of a home.

Groups that are held out are never learned from, whoever gave the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from evals.classifiers.features import Material, read_material
from evals.labels.groups import find_group, is_held_out
from evals.labels.mapped_labels import list_dimensions, map_labels
from evals.records import Trace, digest
from evals.reports.archive import read_last_report
from evals.reports.sections import agreement
from evals.specs import Catalog, Classifier, Teacher
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files


class NotAligned(ValueError):
    """A classifier cannot learn from a judge that people have not been found to agree with."""


class Judged(NamedTuple):
    """A subject with a verdict."""

    trace_id: str
    app: str
    night: date
    group: str
    material: Material
    passed: bool


class Collected(NamedTuple):
    """What a classifier learns from, and what it is measured on."""

    learned: list[Judged]
    held_out: list[Judged]
    """People's verdicts alone."""

    def digest(self) -> str:
        """Returns a hash of what is learned from: every id, text and verdict."""
        return digest([[one.trace_id, list(one.material), one.passed] for one in self.learned])


def collect(lake: Lake, catalog: Catalog, spec: Classifier) -> Collected:
    """Collects a classifier's examples, in the order of their ids.

    A text that is held out is never learned from, in whichever session it comes again.

    Raises:
        NotAligned: it learns from a judge that may not decide.
    """
    people = list(collect_from_people(lake, catalog, spec))
    learned = [one for one in people if not is_held_out(one.group)]
    if isinstance(spec.learns_from, Teacher):
        learned = list(collect_from_judge(lake, catalog, spec, spec.learns_from.judge))
    held_out = [one for one in people if is_held_out(one.group)]
    measured_on = {one.material for one in held_out}
    learned = [one for one in learned if one.material not in measured_on]
    return Collected(*(sorted(ones, key=lambda one: one.trace_id) for ones in (learned, held_out)))


def collect_held_out(lake: Lake, catalog: Catalog, spec: Classifier) -> list[Judged]:
    """Collects people's verdicts that a classifier never learns from."""
    people = collect_from_people(lake, catalog, spec)
    return sorted((one for one in people if is_held_out(one.group)), key=lambda one: one.trace_id)


def list_apps(catalog: Catalog, spec: Classifier) -> list[str]:
    """Lists the applications whose verdicts a classifier learns from."""
    return [
        app
        for app in sorted(spec.apps or catalog.apps)
        if any(one.dimension == spec.dimension for one in list_dimensions(catalog, app, "trace"))
    ]


def collect_from_people(lake: Lake, catalog: Catalog, spec: Classifier) -> Iterator[Judged]:
    """Yields what people decided on the classifier's dimension, night by night."""
    labels, apps = read_labels(lake), set(list_apps(catalog, spec))
    for night in lake.list_nights("traces"):
        verdicts = {
            row.trace_id: row.verdict == "pass"
            for row in map_labels(lake, catalog, labels, night)
            if row.app in apps and row.dimension == spec.dimension and row.verdict
        }
        yield from build_judged(lake, spec, night, verdicts, apps)


def collect_from_judge(
    lake: Lake, catalog: Catalog, spec: Classifier, judge: str
) -> Iterator[Judged]:
    """Yields the verdicts of an aligned judge on answers whose group is not held out.

    Raises:
        NotAligned: no version of the judge may decide in these applications.
    """
    aligned = find_aligned(lake, catalog, spec, judge)
    for night in lake.list_nights("traces"):
        verdicts = {
            score.trace_id: score.verdict == "pass"
            for file in list_locked_files(lake, "scores", [night])
            for score in lake.stream_file("scores", file, ("evaluator", [judge]))
            if (score.app, score.evaluator_version) in aligned and score.status == "scored"
        }
        apps = {app for app, _ in aligned}
        for one in build_judged(lake, spec, night, verdicts, apps):
            if not is_held_out(one.group):
                yield one


def build_judged(
    lake: Lake, spec: Classifier, night: date, verdicts: dict[str, bool], apps: set[str]
) -> Iterator[Judged]:
    """Yields the traces with a verdict that have an answer."""
    if not verdicts:
        return
    traces: Iterator[Trace] = lake.stream_night("traces", night, ("trace_id", set(verdicts)))
    for trace in traces:
        if trace.app in apps and (trace.has_answer or "output" not in spec.reads):
            yield Judged(
                trace.trace_id,
                trace.app,
                night,
                find_group(trace, spec.group),
                read_material(trace, spec.reads),
                verdicts[trace.trace_id],
            )


def find_aligned(
    lake: Lake, catalog: Catalog, spec: Classifier, judge: str
) -> set[tuple[str, str]]:
    """Finds the applications in which a judge may decide, with its version.

    Raises:
        NotAligned: there is none.
    """
    apps = list_apps(catalog, spec)
    found = {
        (app, row.evaluator_version)
        for app in apps
        for row in list_agreement(lake, app)
        if row.evaluator == judge and row.usable
    }
    if not found:
        raise NotAligned(
            f"the judge {judge!r} does not agree with people enough to teach: in the latest "
            f"reports of {', '.join(apps) or 'no application'} TPR and TNR are not both above .80 "
            "with lower bounds above .70 on test labels; label more, or improve the judge"
        )
    return found


def list_agreement(lake: Lake, app: str) -> tuple[agreement.Agreed, ...]:
    """Returns the agreement in an application's last report that can be read."""
    report = read_last_report(lake, app)
    return report[agreement.SECTION] if report else ()
