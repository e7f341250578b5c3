"""Promises of changed questions on the review page: a label is given again, blind and on record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from evals.labels.verdicts import record_label
from evals.records import Label, digest
from tests.evals.review_app.review_home import (
    QUESTION,
    find_path,
    list_labels,
    visit,
    write_home,
)

NOW = datetime(2026, 10, 15, 9, tzinfo=UTC)


def test_a_label_of_an_earlier_wording_is_asked_again(tmp_path: Path) -> None:
    """It is listed, queued, open for its own annotator, and replaced by the new one."""
    settings = write_home(tmp_path)
    label = Label("t-0", "right", "pass", "ann", "human", critique="<b>old</b>")
    label = dataclasses.replace(label, rubric_version=digest("Is it rihgt?"))
    record_label(settings.open_lake(), settings.load_catalog(), label, NOW)
    (ann,) = visit(settings, "ann")
    page = ann.read("/regrade")
    assert "t-0" in page
    assert "labelled by <bdi>ann</bdi>: it was given under an earlier wording" in page
    assert "ann gave" not in page
    answer = ann.send("/regrade", {"app": "desk", "dimension": "right"}, "/regrade")
    assert answer.headers["location"] == "/?reason=regrade"
    assert find_path(0) in ann.read("/?reason=regrade")
    assert "the judge says blue" not in ann.read(find_path(0))
    assert ann.judge(0, "fail", "no greeting").status_code == 303
    (current,) = list_labels(settings)
    assert current.rubric_version == digest(QUESTION)
    assert "Every label was given under the present wording." in ann.read("/regrade")
