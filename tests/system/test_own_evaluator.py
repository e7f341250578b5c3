"""A team's package adds a kind of evaluator, and nothing else is changed to see it everywhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.system.teams import Team, run_command

pytestmark = pytest.mark.slow

NIGHT = "2026-05-04"
MODULE = '''
"""A classifier of tone, as a team would write it."""

from evals.evaluators.code_checks import Params, check
from evals.records import Outcome, Trace


class Tone(Params):
    """Params of `tone`."""

    threshold: float = 0.5


@check("tone", kind="scorer", behaviour=1, params=Tone)
def tone(trace: Trace, params: Tone, gold: object) -> Outcome:
    """The answer is friendly; value is the probability."""
    likely = 0.9 if "please" in trace.output else 0.1
    return Outcome(likely >= params.threshold, likely)
'''


def install(folder: Path, name: str, source: str) -> None:
    """Installs a package of one module whose entry point is that module."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[andon.evaluators]\nours = {name}\n")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    """A team whose suite names a kind of evaluator that only its own package has."""
    packages = tmp_path / "packages"
    packages.mkdir()
    install(packages, "acme_tone", MODULE)
    paths = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    team = Team(tmp_path)
    check = {"scorer": "tone", "params": {"threshold": 0.8}}
    friendly = {"dimension": "friendly", "question": "Is it friendly?", "check": check}
    team.declare(
        {
            "catalog.yaml": {"title": "A shop", "since": "2026-05-01"},
            "apps/shop.yaml": {"app": "shop", "suite": "shop"},
            "suites/shop.yaml": {"suite": "shop", "dimensions": [friendly]},
            "guardrails/rude.yaml": {
                "guardrail": "rude",
                "question": "Is it fit to be sent?",
                "check": "tone",
                "action": "block",
            },
        }
    )
    answers = ["Yes, please.", "No.", "One moment, please."]
    rows = [
        {"trace_id": f"t{n}", "ts": f"{NIGHT}T08:00:0{n}Z", "app": "shop", "output": answer}
        for n, answer in enumerate(answers)
    ]
    team.export("traces.jsonl", rows)
    return team


def test_a_new_kind_is_one_module_in_a_package_of_the_team(team: Team) -> None:
    """It is scored, reported, guards, and is listed by plan, doctor and the generated pages."""
    team.run_nightly(cold=True)
    shown = ("report", "show", "--app", "shop", "--date", NIGHT, "--json")
    results = team.run(*shown, cold=True).json["results"]
    scores = {(r["kind"], r["evaluator"], r["passed"], r["failed"]) for r in results}
    assert scores == {
        ("assertion", "shop.answered", 3, 0),
        ("scorer", "shop.friendly", 2, 1),
        ("guardrail", "rude", 2, 1),
    }
    plan = team.run_json("plan", cold=True)
    assert {(row["evaluator"], row["calls"]) for row in plan["plan"]} == {
        ("shop.answered", 0),
        ("shop.friendly", 0),
        ("rude", 0),
    }
    doctor = team.run("doctor", cold=True).out
    assert "acme_tone 1.2" in doctor
    assert "scorer `tone`" in doctor
    code = (
        "import json; from tests.docs.generate import catalog; from evals.evaluators import "
        "catalog_schemas as c; print(catalog()); print(json.dumps(c.build_schemas()['suite']))"
    )
    docs = run_command(sys.executable, "-c", code).out
    words = "The answer is friendly; value is the probability."
    assert f"| scorer | `tone` | {words} | `threshold` |" in docs
    assert '"scorer": {"anyOf": [{"type": "string", "enum": ["tone"]}' in docs
    assert '"if": {"properties": {"scorer": {"const": "tone"}}' in docs


def test_a_broken_package_is_named_and_stops_only_its_users(team: Team, tmp_path: Path) -> None:
    """Doctor names the package that cannot be loaded and why; other evaluators go on."""
    install(tmp_path / "packages", "acme_broken", "import no_such_module\n")
    doctor = team.run("doctor", code=2, cold=True)
    output = " ".join((doctor.out + doctor.errors).split())
    assert "acme_broken cannot be loaded: ModuleNotFoundError" in output
    assert "mend or remove acme_broken 1.2" in output
    team.run_nightly(cold=True)


def test_a_suite_with_an_evaluator_that_is_not_installed_is_refused(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file, the line, and the kinds there are."""
    monkeypatch.delenv("PYTHONPATH")
    result = team.run("plan", code=2, cold=True)
    words = " ".join((result.out + result.errors).split())
    assert "no kind 'scorer'; known: assertion, classifier, judge, panel, reference" in words
    assert "suites/shop.yaml:" in words
