"""A newcomer changes what is measured by writing data, and sees it in the next report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.judges import Judge, serve_judge
from tests.system.teams import Team, find_row, read_files

BEFORE, AFTER = "2026-05-04", "2026-05-05"
QUESTION = "When does the shop open?"
"""Asked every night, and the one question the gold set has an answer to."""

pytestmark = pytest.mark.slow


def trace(night: str, number: int, app: str = "shop", **more: Any) -> dict[str, Any]:
    """One ordinary request, invented; every fourth is about parcels."""
    return {
        "trace_id": f"{app}-{night}-{number}",
        "ts": f"{night}T08:{number:02d}:00Z",
        "app": app,
        "input": QUESTION if number == 0 else f"Question {number} about a {thing(number)}?",
        "output": "At nine."
        if number == 0
        else f"The {thing(number)} is on its way, number {number}.",
        "prompt_version": "v1",
        **more,
    }


def thing(number: int) -> str:
    """What a question is about."""
    return "parcel" if number % 4 == 0 else "garden chair"


def declare(team: Team) -> None:
    """A catalog of a shop with one assertion, and of a till that has none of its troubles."""
    ends = {"assertion": "regex", "params": {"pattern": r"\.$"}}
    stop = {"dimension": "full-stop", "question": "Does it end in a full stop?", "check": ends}
    secrets = {"guardrail": "secrets", "question": "Is it free of keys?", "check": "secrets"}
    team.declare(
        {
            "catalog.yaml": {"title": "A shop", "since": "2026-05-01"},
            "slices.yaml": [{"slice": "prompt", "by": "prompt_version"}],
            "apps/shop.yaml": {"app": "shop", "suite": "shop"},
            "apps/till.yaml": {"app": "till", "suite": "till"},
            "suites/shop.yaml": {"suite": "shop", "dimensions": [stop]},
            "suites/till.yaml": {"suite": "till", "dimensions": [stop]},
            "guardrails/secrets.yaml": secrets,
        }
    )


def extend(team: Team, judge: Judge) -> None:
    """Adds a pin, a judge, a slice, a guardrail and a gold set with its dimension: data only."""
    suite = team.read("suites/shop.yaml")
    suite["dimensions"] += [
        {"dimension": "kind", "question": "Is it kind?", "check": {"judge": "kindness"}},
        {
            "dimension": "opening",
            "question": "Is it the answer we know to be right?",
            "check": {"reference": "equals", "gold": "opening"},
        },
    ]
    team.declare(
        {
            "models.yaml": {"pinned": {"base_url": f"{judge.url}/v1", "model": "judge-2026-01-01"}},
            "judges/kindness.yaml": {
                "judge": "kindness",
                "asks": "Is the answer kind?",
                "model": "pinned",
                "system": "You read a shop's answers. Is this one kind?",
            },
            "slices.yaml": [*team.read("slices.yaml"), {"slice": "parcels", "keyword": "parcel"}],
            "guardrails/language.yaml": {
                "guardrail": "language",
                "question": "Is it in English?",
                "check": "language",
                "params": {"expected": ["en"], "letters": 15},
            },
            "suites/shop.yaml": suite,
        }
    )
    gold = team.catalog / "gold" / "opening.jsonl"
    gold.parent.mkdir()
    gold.write_text(json.dumps({"input": QUESTION, "gold": "At nine."}) + "\n")


class Change(NamedTuple):
    """Two nights with a change of the catalog between them."""

    team: Team
    judge: Judge
    before: dict[str, bytes]
    """The reports after the first night."""
    asked: int
    """Calls the judge had got by then."""


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A judge that gives the same question the same answer."""
    with serve_judge() as server:
        yield server


@pytest.fixture(scope="module")
def change(tmp_path_factory: pytest.TempPathFactory, judge: Judge) -> Change:
    """A first night, then data only, then a second night."""
    team = Team(tmp_path_factory.mktemp("change"))
    declare(team)
    team.export("first.jsonl", [trace(BEFORE, number) for number in range(20)])
    team.run_nightly()
    before, asked = read_files(team.home / "reports" / BEFORE), judge.count_calls()
    extend(team, judge)
    team.export("second.jsonl", [trace(AFTER, number) for number in range(20)])
    team.run_nightly()
    return Change(team, judge, before, asked)


def test_each_addition_is_in_the_next_report(change: Change) -> None:
    """Judge, slice, guardrail and gold set have rows of the second night's traces."""
    old, new = (change.team.report(night, "shop") for night in (BEFORE, AFTER))
    assert {row["evaluator"] for row in old["results"]} == {
        "shop.answered",
        "shop.full-stop",
        "secrets",
    }
    judged = find_row(new, "kindness")
    assert judged["passed"] + judged["failed"] == judged["n"] == 20
    assert judged["kind"] == "judge"
    assert find_row(new, "language")["passed"] > 10
    opening = find_row(new, "shop.opening")
    assert (opening["passed"], opening["failed"], opening["skipped"]) == (1, 0, 19)
    assert find_row(new, "shop.full-stop", "parcels")["n"] == 4
    assert not [row for row in old["results"] if row["slice"] == "parcels"]


def test_the_pin_is_called_and_in_the_provenance(change: Change) -> None:
    """The report names the pinned model, which answered once for each of the night's answers."""
    body = change.team.report(AFTER, "shop")
    (made,) = [row for row in body["provenance"]["evaluators"] if row["name"] == "kindness"]
    assert made["model"] == "judge-2026-01-01"
    assert change.asked == 0
    assert change.judge.count_calls() == body["cost"]["calls"] == 20


def test_the_night_before_the_change_keeps_its_bytes(change: Change) -> None:
    """What was added is no reason to write the first night anew: its pages link the next one."""
    assert {Path(name).name for name in change.before} >= {"report.json", "index.html"}
    after = read_files(change.team.home / "reports" / BEFORE)
    assert after.keys() == change.before.keys()
    pages = [name for name, data in after.items() if data != change.before[name]]
    assert pages
    for page in pages:
        assert b'rel="next"' in after[page], page
        assert b'rel="next"' not in change.before[page], page


def test_bad_rows_of_one_application_change_no_other_report(change: Change, tmp_path: Path) -> None:
    """A shop's report beside a till's refused night is the shop's report without it."""
    team = Team(tmp_path)
    declare(team)
    team.export("first.jsonl", [trace(BEFORE, number) for number in range(20)])
    team.export("till.jsonl", [trace(BEFORE, n, "till", latency_ms=-1) for n in range(9)])
    (team.inbox / "noise.jsonl").write_bytes(b"{]\n" * 50)
    summary = team.run_nightly()
    assert summary["refused"] == [[BEFORE, "till"]]
    shop = {name: data for name, data in change.before.items() if name.endswith("report.json")}
    assert len(shop) == 1
    mine = read_files(team.home / "reports" / BEFORE)
    assert {name: mine[name] for name in shop} == shop
