"""The gate of a night as Markdown: the summary of a CI job or a comment on a pull request.

The whole night as Markdown is in `night_markdown`.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.reports.conclusion import Outcome
from evals.reports.pages.markdown_text import quote_code, quote_prose
from evals.reports.pages.night_markdown import list_incidents, list_rates, make_command
from evals.reports.report import Report

GATE_MARKS: dict[Outcome, str] = {
    "pass": "●",
    "regressed": "▼",
    "inconclusive": "◐",
    "infrastructure": "✕",
}


def render_gate(
    report: Report, outcome: Outcome, until: str | None, page: str, more: Sequence[str] = ()
) -> str:
    """Renders the gate of a night.

    Args:
        report: of the night.
        outcome: of the gate.
        until: the time until which rows may arrive; None where the night is final.
        page: the address of the night's page; the path of its file where nobody serves it.
        more: lines about the regression cases.
    """
    title = f"{quote_code(report.app)}, {report.date}: {outcome}"
    is_address = page.startswith(("http://", "https://"))
    link = f"[report](<{quote_address(page)}>)" if is_address else f"report {quote_code(page)}"
    shown = [
        f"### {GATE_MARKS[outcome]} {title}",
        quote_prose(report.sentence, 1500),
        *([f"Provisional until {until}: more rows may come."] if until else []),
        "\n".join(list_rates(report)),
        "\n".join(list_incidents(report)),
        "\n".join(more),
        f"{link} · {make_command(report, '--markdown')}",
    ]
    return "\n\n".join(filter(None, shown)) + "\n"


def render_missing_gate(app: str, night: str | None, reason: str) -> str:
    """Renders the gate of a night without a report."""
    mark = GATE_MARKS["infrastructure"]
    title = f"### {mark} {quote_code(app)}, {night or 'last night'}: no report"
    return f"{title}\n\n{quote_prose(reason)}\n"


def render_cases(app: str, outcome: Outcome, sentence: str, lines: Sequence[str]) -> str:
    """Renders the gate of a candidate's answers to the regression cases."""
    title = f"### {GATE_MARKS[outcome]} {quote_code(app)}, regression cases: {outcome}"
    shown = [title, quote_prose(sentence, 1500), "\n".join(lines)]
    return "\n\n".join(filter(None, shown)) + "\n"


def quote_address(address: str) -> str:
    """Returns an address for a link between angle brackets."""
    return address.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C").replace("\n", "")
