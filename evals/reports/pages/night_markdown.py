"""A night of an application as Markdown of at most 200 lines, for pull requests and coding agents.

Made from the report alone: the same report gives the same text. Names and ids from traces cannot
become markup; texts of answers are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from evals.reports import phrases
from evals.reports.incident_rows import IncidentRow
from evals.reports.pages.markdown_text import build_table, quote_code, quote_command, quote_prose
from evals.reports.pages.marks import VERDICT_MARKS, get_verdict
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import (
    alarms,
    causes,
    changes,
    classifiers,
    errors,
    examples,
    extraction,
    incidents,
    pairs,
    settings,
)
from evals.reports.sections import results as results_section
from evals.reports.sections import slices as slices_section
from evals.reports.sections.extraction import PartResult
from evals.reports.sections.slices import WorseSlice
from evals.storage.report_files import REDACTION_MARKS

LONGEST = 200
"""Lines; the most that the parts below may add up to."""
CHANGES, CAUSES, INCIDENTS, RATES, SLICES, ANSWERS, ALARMS, ERRORS = 15, 15, 20, 36, 10, 25, 8, 10
PARTS, CLASSIFIERS = 12, 4
"""The lines of each part without its heading."""
COLUMNS = ("", "dimension", "evaluator", "passed", "95% interval", "n", "coverage", "change", "why")


def render_markdown(report: Report) -> str:
    """Renders a report as Markdown: verdict, owner, changes, incidents, rates, answers, steps."""
    lines = [
        f"# {quote_prose(report.title, 100)}, {phrases.format_day(report.date)}: "
        f"{get_verdict(report)}",
        "",
        quote_prose(report.sentence, 1500),
        "",
        " · ".join(describe_frame(report)),
        *head("What to do next", list_steps(report)),
        *head("What changed", list_changes(report)),
        *head("Incidents", list_incidents(report)),
        *head("Rates", list_rates(report)),
        *head("Compared with gold, value by value", list_parts(report)),
        *head("Compared with another answer", list_pairs(report)),
        *head("Slices that fail more than the rest", list_slices(report)),
        *head("Failing answers to read", list_answers(report)),
        *head("Alarms", list_alarms(report)),
        *head("Classifiers", list_classifiers(report)),
        *head("Answers without a verdict", list_errors(report)),
    ]
    return "\n".join(lines) + "\n"


def head(title: str, lines: Iterable[str]) -> list[str]:
    """Puts a heading above the lines of a part; nothing where it has none."""
    shown = list(lines)
    return ["", f"## {title}", "", *shown] if shown else []


def cut(lines: Sequence[str], most: int, report: Report, command: str = "") -> list[str]:
    """Returns the first lines of a part, and how many more there are with what shows them."""
    if len(lines) <= most:
        return list(lines)
    left = len(lines) - most + 2
    more = command or make_command(report, "--json")
    return [*lines[: most - 2], "", f"{left} more: {more}"]


def make_command(report: Report, *options: str) -> str:
    """Returns the command that shows a report."""
    name = ("andon", "report", "show", "--app", report.app, "--date", report.date.isoformat())
    return quote_command(*name, *options)


def describe_frame(report: Report) -> Iterator[str]:
    """Describes the gate, the owner and the version, with links to the files beside this one."""
    yield f"gate **{report.gate.outcome}**"
    yield f"owner {quote_code(report.owner)}" if report.owner else "no owner"
    yield f"application {quote_code(report.app)}, version {quote_code(report.version)}"
    if blessed := report[settings.SECTION].blessed:
        yield f"blessed baseline {blessed.date}, {quote_code(blessed.version)}"
    if report.demo:
        yield "demo data"
    yield "[page](index.html), [figures](report.json)"


def list_steps(report: Report) -> Iterator[str]:
    """Lists what a person or a coding agent should do next."""
    app, day = report.app, report.date.isoformat()
    if report.is_refused:
        yield f"- Look at the refused rows: {quote_command('andon', 'quarantine', 'list')}"
    rows = [row for row in report[results_section.SECTION] if row.decides]
    if any(row.verdict == "slipped" for row in rows):
        yield "- Read the failing answers below, and look for what they share."
        yield "- Undo or repair what changed, if an incident or a cause below names it."
    elif any(cause.same_night for cause in report[causes.SECTION]):
        yield "- Undo or repair the version below that is worse than another of the same night."
    for one in report[incidents.SECTION].list_open()[:3]:
        accept = ("andon", "incident", "accept", one.name, "--by", "NAME", "--reason", "TEXT")
        yield f"- Where the new level is wanted: {quote_command(*accept)}"
    if any(row.verdict == "too close to call" for row in rows):
        yield "- Collect more answers where the rates below are too close to call."
    if any(row.verdict == "not measured" for row in rows) or report[errors.SECTION]:
        yield "- See under “why” what keeps a rate from being measured."
    check = quote_command("andon", "gate", "--app", app, "--date", day)
    yield f"- The gate's exit code, after the next `andon nightly`: {check}"


def list_changes(report: Report) -> list[str]:
    """Lists the rates that changed beyond their interval, then what changed with them."""
    moved = [
        f"- {quote_code(row.dimension)}{describe_slice(row.slice)} "
        f"{phrases.format_whole_percent(row.before)} → {phrases.format_whole_percent(row.after)} "
        f"({phrases.format_points(row.change, row.low, row.high)}), {row.verdict}"
        for row in sorted(report[changes.SECTION], key=lambda row: row.change)
    ]
    why = [
        f"- cause of {quote_code(cause.dimension)}: {quote_prose(cause.words)}"
        for cause in report[causes.SECTION]
    ]
    return cut(moved, CHANGES, report) + cut(why, CAUSES, report)


def describe_slice(name: str) -> str:
    """Describes the slice of a row; nothing for all traces."""
    return "" if name == "all" else f" on {quote_code(name)}"


def list_incidents(report: Report) -> list[str]:
    """Lists the incidents, the open ones first."""
    rows = sorted(report[incidents.SECTION].rows, key=lambda row: not row.is_open)
    lines = [describe_incident(row) for row in rows]
    return cut(lines, INCIDENTS, report, quote_command("andon", "incident", "list"))


def describe_incident(row: IncidentRow) -> str:
    """Describes an incident on a line."""
    fell = [
        f"{quote_code(rate.name) if rate.dimension else rate.name} "
        f"{phrases.format_whole_percent(rate.before)} → {phrases.format_whole_percent(rate.after)}"
        f"{' (recovered)' if rate.recovered else ''}"
        f"{f' ({quote_prose(rate.drift.words)})' if rate.drift else ''}"
        for rate in row.rates
    ]
    gating = "" if row.decides else ", not gating"
    owner = f", owner {quote_code(row.owner)}" if row.owner else ""
    more = [f"and {len(fell) - 5} more"] if len(fell) > 5 else []
    return (
        f"- {quote_code(row.name)} {row.state}{gating}, {row.first} to {row.last}{owner}: "
        f"{'; '.join([*fell[:5], *more])}{''.join(describe_done(row))}"
    )


def describe_done(row: IncidentRow) -> Iterator[str]:
    """Yields what people decided on an incident, with their names and reasons."""
    for one in row.done[-2:]:
        done = "accepted" if one.action == "accept" else "reopened"
        by, reason = quote_prose(one.by, 60), quote_prose(one.reason, 200)
        yield f"; {done} by {by} from {one.night} on: {reason}"


def list_rates(report: Report) -> list[str]:
    """Lists the rates as a table: those that decide first, the worst verdict first."""
    order = list(VERDICT_MARKS)
    rows = sorted(
        (row for row in report[results_section.SECTION] if row.is_whole or row.decides),
        key=lambda row: (not row.decides, rank(row, order)),
    )
    if not rows:
        return []
    shown = rows if len(rows) <= RATES - 2 else rows[: RATES - 4]
    left = len(rows) - len(shown)
    rest = ["", f"{left} more: {make_command(report)}"] if left else []
    return [*build_table(COLUMNS, map(describe_rate, shown)), *rest]


def rank(row: Result, order: Sequence[str]) -> int:
    """Returns the place of a row's verdict: slipped, too close to call, not measured, held."""
    return order.index(row.verdict) if row.verdict != "held" else len(order)


def describe_rate(row: Result) -> list[str]:
    """Describes a rate in the cells of the table."""
    rate = row.compared_rate
    gating = "" if row.decides else " (not gating)"
    return [
        VERDICT_MARKS[row.verdict],
        quote_code(row.dimension) + describe_slice(row.slice),
        quote_code(row.evaluator),
        phrases.format_percent(rate.rate, rate.low, rate.high),
        phrases.format_interval(rate.low, rate.high) or "–",
        f"{row.scored:,}",
        phrases.format_percent(row.coverage),
        phrases.format_points(row.change, row.change_low, row.change_high),
        f"{row.verdict}{gating}: {quote_prose(row.reason, 200)}",
    ]


def list_parts(report: Report) -> list[str]:
    """Lists precision, recall and F1 of each comparison with gold, the whole before its parts."""
    lines: list[str] = []
    for of in report[extraction.SECTION]:
        name, row = quote_code(of.dimension), of.micro
        if of.is_abstention:
            lines.append(
                f"- {name}: of {row.right + row.missed:,} answerable questions {row.missed:,} were "
                f"not answered; of {row.absent + row.invented:,} others {row.invented:,} were"
            )
            continue
        lines.append(f"- {name}{', micro' if of.macro else ''}: {describe_figures(row)}")
        if of.macro:
            lines.append(f"- {name}, macro: {describe_figures(of.macro)}")
            parts = (f"- {name}, {quote_code(p.part)}: {describe_figures(p)}" for p in of.parts)
            lines.extend(parts)
    return cut(lines, PARTS, report)


def list_pairs(report: Report) -> Iterator[str]:
    """Lists what judges concluded that compared each answer with another one."""
    for row in report[pairs.SECTION]:
        shares = (("preferred", row.preferred), ("at equal length", row.equal_length))
        figures = [
            f"{name} {phrases.format_percent(of.value, of.low, of.high)} "
            f"({phrases.format_interval(of.low, of.high)})"
            for name, of in shares
            if of
        ]
        counted = f"better {row.won:,}, worse {row.lost:,}, tie {row.tied:,} of {row.pairs:,} pairs"
        yield f"- {quote_code(row.dimension)}: {', '.join([counted, *figures])}"


def describe_figures(row: PartResult) -> str:
    """Describes the figures of a part with their intervals."""
    named = (("precision", row.precision), ("recall", row.recall), ("F1", row.f1))
    return ", ".join(
        f"{name} {phrases.format_percent(of.value, of.low, of.high)} "
        f"({phrases.format_interval(of.low, of.high)})"
        for name, of in named
        if of
    )


def list_slices(report: Report) -> list[str]:
    """Lists the slices that fail more than the rest, worst first."""
    lines = [
        f"- {quote_code(row.slice)}, {quote_code(row.dimension)}: "
        f"{phrases.format_whole_percent(row.rate)} of {row.n:,} passed, "
        f"{phrases.format_whole_percent(row.parent_rate)} of {describe_parent(row)}"
        for row in report[slices_section.SECTION]
    ]
    return cut(lines, SLICES, report, make_command(report, "--slices"))


def describe_parent(row: WorseSlice) -> str:
    """Names what a slice is compared with."""
    return "all" if row.parent == "all" else quote_code(row.parent)


def list_answers(report: Report) -> list[str]:
    """Lists failing answers by their id, each with the command that opens it."""
    rows = report[examples.SECTION]
    lines = [
        f"- {quote_code(row.trace_id)} failed {quote_code(row.dimension)} "
        f"({quote_code(row.evaluator)}){describe_opening(report, row.trace_id)}"
        for row in rows
    ]
    return cut(lines, ANSWERS, report)


def describe_opening(report: Report, trace_id: str) -> str:
    """Describes how to open an answer; nothing for one that was removed."""
    if trace_id in REDACTION_MARKS:
        return ""
    return f": {make_command(report, f'--answer={trace_id}')}"


def list_alarms(report: Report) -> list[str]:
    """Lists the alarms about judges' models."""
    lines = [
        f"- {quote_code(row.evaluator)}: {quote_prose(row.words)}" for row in report[alarms.SECTION]
    ]
    return cut(lines, ALARMS, report)


def list_classifiers(report: Report) -> list[str]:
    """Lists the classifiers of the night, each with what moved since it was trained."""
    lines: list[str] = []
    for row in report[classifiers.SECTION]:
        moved = [one.name for one in row.inputs if one.drifted]
        moved += ["agreement"] if row.since and row.since.fell else []
        state = f"moved: {', '.join(moved)}; label more, train again" if moved else "no drift found"
        lines.append(f"- {quote_code(row.evaluator)} ({quote_code(row.model)}): {state}")
    return cut(lines, CLASSIFIERS, report)


def list_errors(report: Report) -> list[str]:
    """Lists errors and skips by code, the most frequent first."""
    lines = [
        f"- {row.count:,} {row.status}, {quote_code(row.code)}: {quote_code(row.evaluator)}"
        for row in sorted(report[errors.SECTION], key=lambda row: (-row.count, row.code))
    ]
    return cut(lines, ERRORS, report)
