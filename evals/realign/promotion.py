"""Promotes a candidate: writes it into the catalog as a change for a person's commit.

Refuses what the evidence does not support, unless it is forced. Commits nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from evals.realign.classifier_candidates import list_places
from evals.realign.evidence import Evidence, judge_result
from evals.realign.labelled_answers import hash_labels
from evals.realign.labelled_judge import LabelledJudge
from evals.realign.suite_checks import name_classifier
from evals.reports import json_form
from evals.specs import Catalog, CatalogError, Classifier
from evals.storage.documents.judge_candidates import StoredCandidate
from evals.training.promoted_files import diff_files, list_uncommitted, object_to, write_files
from evals.training.proposals import build_files


class Promotion(NamedTuple):
    """What promoting a candidate changes, and what speaks against it."""

    file: Path
    """The file that decides: the judge's, or a suite whose dimension names the classifier."""
    diff: str
    """Of the YAML files as they are to what they would be; empty where they are the same."""
    objections: tuple[str, ...]
    files: Mapping[Path, bytes]
    """What is written, in this order."""


def prepare(work: LabelledJudge, stored: StoredCandidate) -> Promotion:
    """Returns what promoting a candidate would change, and the objections to it.

    Raises:
        CatalogError: the judge has no file of its name; a classifier or a suite cannot be changed.
    """
    root, objections = work.catalog.root, list[str]()
    if stored.classifier:
        spec = work.catalog.classifiers.get(stored.classifier)
        if spec is None:
            raise CatalogError(
                f"{root}/classifiers: no classifier {stored.classifier!r} any more; declare it "
                f"again, or `andon judge realign {stored.judge}`"
            )
        files = {**build_files(work.lake, work.catalog, spec, stored.model)}
        suites = build_suites(work, spec)
        files |= suites
        objections += list_other_apps(work, spec)
        file = next(iter(suites), next(iter(files)))
    else:
        file = root / "judges" / f"{stored.judge}.yaml"
        if not file.is_file():
            raise CatalogError(f"{file} does not exist; name the file after its judge")
        files = {file: stored.file.encode()}
    objections = [*list_uncommitted(files), *list_objections(work, stored, file), *objections]
    return Promotion(file, diff_files(root, files), tuple(objections), files)


def build_suites(work: LabelledJudge, spec: Classifier) -> dict[Path, bytes]:
    """Builds the suites in which the classifier decides in the judge's place."""
    suites = (work.catalog.app(app).suite for app, _ in list_places(work, spec))
    changed: dict[Path, bytes] = {}
    for name in sorted(set(filter(None, suites))):
        file = work.catalog.root / "suites" / f"{name}.yaml"
        if not file.is_file():
            raise CatalogError(f"{file} does not exist; name the file after its suite")
        try:
            text = name_classifier(file.read_text("utf-8"), spec.dimension, spec.classifier)
        except ValueError as error:
            raise CatalogError(f"{file}: dimensions.{spec.dimension}.check: {error}") from error
        changed[file] = text.encode()
    return changed


def list_other_apps(work: LabelledJudge, spec: Classifier) -> Iterator[str]:
    """Yields the applications that a changed suite reaches without having taught the classifier."""
    taught = {app for app, _ in list_places(work, spec)}
    suites = {work.catalog.app(app).suite for app in taught} - {None}
    for app in list_readable(work.catalog):
        if app not in taught and work.catalog.app(app).suite in suites:
            yield f"{app} has the same suite, and the classifier did not learn from its labels"


def list_readable(catalog: Catalog) -> list[str]:
    """Lists the applications whose files can be read."""
    return [app for app in sorted(catalog.apps) if app not in catalog.broken]


def list_objections(work: LabelledJudge, stored: StoredCandidate, file: Path) -> Iterator[str]:
    """Yields what speaks against a promotion by its evidence."""
    evidence = json_form.from_json(Evidence, stored.evidence)
    again = f"`andon judge realign {stored.judge}`"
    if evidence.before != work.before:
        changed = f"{stored.judge}.yaml" if stored.classifier else file.name
        yield f"{changed} changed since it was measured: {again}"
    elif evidence.labels != hash_labels(work.answers):
        yield f"the labels changed since it was measured: {again}"
    if evidence.test is None:
        yield f"it was not looked at on the test labels: {evidence.why}"
    else:
        yield from object_to(judge_result(evidence.test.difference), evidence.why)


def write_promotion(promotion: Promotion) -> None:
    """Writes a candidate's files into the catalog.

    Raises:
        CatalogError: the catalog cannot be written.
    """
    write_files(promotion.files)
