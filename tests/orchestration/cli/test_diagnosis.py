"""What `andon doctor` finds in a home."""

from datetime import date
from pathlib import Path

from evals.error_analysis.scaffold import PLACEHOLDER
from evals.specs import App, Catalog, Guardrail
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from orchestration.cli.diagnosis import check_drafts, check_templates, check_undeclared_nights
from tests.evals.reports import report_bodies as bodies


def test_an_application_that_no_file_declares_owes_no_night_and_doctor_names_its_last(
    tmp_path: Path,
) -> None:
    """So that its silence is no surprise; declared ones owe their nights and are not named."""
    lake = Lake(tmp_path).open()
    for app in ("mail", "chat"):
        for body in bodies.nights(2, app):
            write_report(lake, date.fromisoformat(body["date"]), body, "", {})
    (finding,) = check_undeclared_nights(
        lake, Catalog(root=tmp_path, apps={"chat": App(app="chat")})
    )
    assert (finding.state, finding.about) == ("warn", "nights of mail")
    assert "last had traces on 2026-10-08" in finding.words
    assert "apps/mail.yaml" in finding.words


def test_a_template_that_cannot_be_used_is_named_with_its_line(tmp_path: Path) -> None:
    """One that is missing and one that is no template; a good one is not named."""
    (tmp_path / "review").mkdir()
    (tmp_path / "review" / "bad.html").write_text("<p>{{ output }}</p>\n{% if output %}\n")
    (tmp_path / "review" / "good.html").write_text("<p>{{ output }}</p>\n")
    names = ("bad", "good", "lost")
    apps = {name: App(app=name, template=f"review/{name}.html") for name in names}
    findings = {
        one.words.partition(":")[0]: one.words
        for one in check_templates(Catalog(root=tmp_path, apps=apps))
    }
    assert set(findings) == {"review/bad.html, line 2", "review/lost.html"}
    assert all(words.endswith("is shown in the usual form") for words in findings.values())


def test_a_draft_whose_pattern_nobody_wrote_is_named(tmp_path: Path) -> None:
    """It fails no answer, and would be taken for a check that everything passes."""
    guards = {
        name: Guardrail(guardrail=name, question="q", check="regex", params={"pattern": pattern})
        for name, pattern in {"new": PLACEHOLDER, "done": "refunded"}.items()
    }
    (finding,) = check_drafts(Catalog(root=tmp_path, guardrails=guards))
    assert (finding.state, finding.about) == ("warn", "guardrails/new.yaml")
    assert "write its `pattern`" in finding.words
