"""Promises of classifiers as candidates for a judge: one list, one promotion, one rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from evals.realign.evidence import Evidence
from evals.realign.promotion import prepare, write_promotion
from evals.realign.rivals import list_disagreements
from evals.realign.suite_checks import name_classifier
from evals.reports import json_form
from evals.specs import load_catalog
from evals.storage.documents.judge_candidates import read_candidate_looks
from evals.storage.documents.trained_models import list_models
from evals.training import candidates
from tests.evals.calls.catalog import NIGHT, Team
from tests.evals.models.model_server import serve_script
from tests.evals.realign.test_candidates import (
    NOW,
    judge_as_told,
    open_judge,
    open_team,
    realign,
)

COUNT = 420
SUITE = """suite: chat  # ours
dimensions:
  - dimension: kind
    question: Kind?
    check:
      judge: tone   # until labels allow more
    target: 0.9
  - {dimension: brief, question: "Brief?", check: {judge: tone, params: {a: 1}}}
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team whose judge passes everything, with a classifier trained for its dimension."""
    with serve_script(judge_as_told) as server:
        team = open_team(tmp_path_factory.mktemp("team"), server, COUNT)
        (team.root / "catalog" / "classifiers").mkdir()
        (team.root / "catalog" / "classifiers" / "rude.yaml").write_text(
            "classifier: rude  # ours\ndimension: kind\nreads: [output]\nmin_labels: 40\n"
        )
        traces = [
            replace(one, input=f"asks {one.trace_id}") for one in team.lake.read("traces", [NIGHT])
        ]
        team.lake.write("traces", NIGHT, traces)
        load_catalog.cache_clear()
        team.catalog = load_catalog(team.root / "catalog")
        team.score()
        candidates.train(team.lake, team.catalog, team.catalog.classifiers["rude"], NOW)
        yield team


def test_a_trained_classifier_is_a_candidate_and_is_promoted_by_the_same_rule(team: Team) -> None:
    """It has a price of 0, a speed, and evidence on labels that neither learned from."""
    found = realign(team, calls=0)
    (stored,) = (one for one in found.candidates if one.kind == "classifier")
    evidence = json_form.from_json(Evidence, stored.evidence)
    assert found.candidates[0] == stored
    assert (evidence.usd_per_1000, evidence.calls) == (0.0, 0)
    assert evidence.usd_per_1000_now
    assert evidence.ms_per_answer is not None
    work = open_judge(team)
    assert evidence.dev is not None
    assert 20 <= evidence.dev.candidate.n < len(work.dev)
    assert evidence.test is not None
    assert (evidence.result, evidence.look) == ("better", 1)
    assert len(read_candidate_looks(team.lake, "tone")) == 1
    shown = list_disagreements(work, stored)
    assert {(one.people, one.now, one.candidate) for one in shown} == {("fail", "pass", "fail")}

    promotion = prepare(work, stored)
    (model,) = list_models(team.lake, "rude")
    assert promotion.objections == ()
    assert [file.name for file in promotion.files] == [
        f"{model}.skops", f"{model}.json", "rude.yaml", "chat.yaml",
    ]  # fmt: skip
    assert f'+model: "{model}"' in promotion.diff
    unclear = stored._replace(
        evidence={**stored.evidence, "test": {
            **stored.evidence["test"],  # pyright: ignore
            "difference": {**stored.evidence["test"]["difference"], "low": -0.01},  # pyright: ignore
        }}
    )  # fmt: skip
    assert any("do not show that it is better" in one for one in prepare(work, unclear).objections)

    write_promotion(promotion)
    load_catalog.cache_clear()
    promoted = load_catalog(team.root / "catalog")
    check = promoted.suites["chat"].dimensions[0].check
    assert check is not None
    assert (check.kind, check.name) == ("classifier", "rude")
    assert promoted.classifiers["rude"].model == model


def test_a_suite_names_the_classifier_and_keeps_everything_else() -> None:
    """Comments stay; a check with more keys is left to a person, by name."""
    changed = name_classifier(SUITE, "kind", "rude")
    assert changed == SUITE.replace("judge: tone   #", "classifier: rude   #")
    with pytest.raises(ValueError, match=r"no other key \(params\): edit the check by hand"):
        name_classifier(SUITE, "brief", "rude")
    shared = SUITE.replace("check:\n      judge: tone ", "check: &c\n      judge: tone ")
    shared += "  - {dimension: kindly, question: Kindly, check: *c}\n"
    with pytest.raises(ValueError, match="by hand"):
        name_classifier(shared, "kind", "rude")
    with pytest.raises(ValueError, match="expected a dimension of this name"):
        name_classifier(SUITE, "absent", "rude")
