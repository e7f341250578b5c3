"""`andon`: what the user types.

Imports nothing heavy until a command needs it; what a command does lives elsewhere.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import click

from orchestration.progress import telling
from orchestration.settings import Settings, settings

DONE, REGRESSED, USAGE, INCONCLUSIVE, INFRASTRUCTURE = 0, 1, 2, 3, 4
GATES = {"pass": DONE, "regressed": REGRESSED, "inconclusive": INCONCLUSIVE}
DAY = click.DateTime(["%Y-%m-%d"])


def fail(code: int, message: str) -> NoReturn:
    """Ends the command with a sentence on stderr and a documented exit code."""
    click.echo(f"andon: {message}", err=True)
    sys.exit(code)


class Andon(click.Group):
    """The command group: a catalog or lake that cannot be used is said in a sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; what the user can mend is usage, what the machine must is not."""
        from evals.intake import LabelsError
        from evals.lake import LakeError
        from evals.specs import CatalogError

        try:
            return super().invoke(ctx)
        except (CatalogError, LabelsError) as error:
            fail(USAGE, str(error))
        except (LakeError, OSError) as error:
            fail(INFRASTRUCTURE, str(error))


@click.group(cls=Andon, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="andon")
def main() -> None:
    """The nightly quality board for LLM applications.

    \b
    Examples:
      andon nightly                     import, evaluate and report what is new
      andon report show --app chat      last night of one application
      andon plan --json                 what a changed catalog would cost
      andon ui                          Dagster, the board, lineage
    """


def located(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--home` and `--catalog`, which every command takes."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--home", type=path, envvar="ANDON_HOME", help="Data folder [.andon]."),
        click.option("--catalog", type=path, envvar="ANDON_CATALOG", help="Catalog [the demo's]."),
    )
    for option in options:
        command = option(command)
    return command


def ranged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--from`, `--to` and `--date`."""
    options = (
        click.option("--to", "last", type=DAY, help="Last night, included."),
        click.option("--from", "first", type=DAY, help="First night."),
        click.option("--date", "only", type=DAY, help="One night."),
    )
    for option in options:
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def place(home: Path | None, catalog: Path | None, **more: Any) -> Settings:
    """The settings of the options given, kept in the environment for what runs below."""
    given = {"ANDON_HOME": home, "ANDON_CATALOG": catalog, "ANDON_INBOX": more.get("inbox")}
    for name, value in given.items():
        if value is not None:
            os.environ[name] = str(value.absolute())
    labels = more.get("labels") or ()
    if labels:
        os.environ["ANDON_LABELS"] = os.pathsep.join(str(path.absolute()) for path in labels)
    return settings()


def span(known: list[date], first: Any, last: Any, only: Any) -> list[date]:
    """The known nights within the options given."""
    low = (only or first).date() if only or first else date.min
    high = (only or last).date() if only or last else date.max
    if low > high:
        raise click.UsageError(f"--from {low} is after --to {high}")
    return [night for night in known if low <= night <= high]


def show(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


@main.command()
@located
@ranged
@click.option("--inbox", type=click.Path(exists=True, path_type=Path), help="Exports to read.")
@click.option(
    "--labels", multiple=True, type=click.Path(exists=True, path_type=Path), help="Labels to add."
)
@click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
@click.option("--spread", nargs=2, type=DAY, help="Spread rows without a timestamp over nights.")
@as_json
def nightly(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    inbox: Path | None,
    labels: tuple[Path, ...],
    assume_date: Any,
    spread: Any,
    as_json: bool,
) -> None:
    """Imports, evaluates and reports every night that has something new.

    Exit codes: 0 done, 2 usage, 4 infrastructure. Quality is `andon gate`'s.

    \b
    Examples:
      andon nightly
      andon nightly --inbox exports/ --labels labels.jsonl.gz --catalog catalog/
      andon nightly --from 2026-10-01 --to 2026-10-07 --json
    """
    from evals import intake, ledger, nights

    here = place(home, catalog, inbox=inbox, labels=labels)
    lake = here.lake()
    ledger.recover(lake)
    if spread and assume_date:
        raise click.UsageError("--assume-date and --spread exclude each other; give one")
    if spread and spread[1] < spread[0]:
        raise click.UsageError("--spread ends before it begins; give the first night first")
    spread_over = (spread[0].date(), spread[1].date()) if spread else None
    calls, failures = 0, []
    with telling(as_json) as say:
        assumed = assume_date.date() if assume_date else None
        cat = here.catalog()
        intake.take_in(lake, cat, here.inbox, assume_date=assumed, spread=spread_over, say=say)
        intake.take_in_labels(lake, cat, here.labels)
        known = span(lake.nights("staged"), first, last, only)
        due = [found.night for found in nights.pending(lake, known)]
        readable(cat, due)
        for begin, end in nights.consecutive(due):
            from orchestration.launch import launch

            launched = launch(here.home, "nightly", begin, end, say)
            calls += launched.calls
            failures += launched.failures
    finish(here, lake, due, calls, failures, as_json)


def readable(catalog: Any, due: list[date]) -> None:
    """Refuses a catalog with SQL that DuckDB cannot read, before a night rests on it."""
    from orchestration import checkup

    for found in checkup.unreadable(catalog) if due else ():
        fail(USAGE, f"{found.where}: {found.words}")


def finish(
    here: Settings, lake: Any, due: list[date], calls: int, failures: list[str], as_json: bool
) -> None:
    """Shows the board, then ends with the documented exit code."""
    from orchestration import board

    if as_json:
        show(board.document(here, lake, due, calls, failures))
    else:
        board.draw(here, lake, due, calls)
    for failure in failures:
        click.echo(f"andon: {failure}", err=True)
    sys.exit(INFRASTRUCTURE if failures else DONE)


@main.command("import")
@located
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
@as_json
def import_(
    home: Path | None,
    catalog: Path | None,
    paths: tuple[Path, ...],
    assume_date: Any,
    as_json: bool,
) -> None:
    """Reads exports into the lake without evaluating them.

    \b
    Examples:
      andon import exports/2026-10-01.jsonl.gz
      andon import untimed.jsonl --assume-date 2026-10-01
    """
    from evals import intake

    here = place(home, catalog)
    lake, cat = here.lake(), here.catalog()
    known = lake.inbox_files()
    assumed = assume_date.date() if assume_date else None
    rows = []
    for path in (file for given in paths for file in intake.inbox_paths(given)):
        seen = known.get(intake.file_sha(path))
        found = seen or intake.import_file(lake, cat, path, assume_date=assumed)
        rows.append({**found._asdict(), "already_seen": seen is not None})
    if as_json:
        show(rows)
        return
    for row in rows:
        again = " (seen before)" if row["already_seen"] else ""
        read, refused = row["read"], row["refused"]
        click.echo(f"{row['name']}: {read} rows, {refused} in quarantine{again}")


@main.command()
@located
@ranged
@click.option("--evaluator", multiple=True, help="Only these.")
@as_json
def plan(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    evaluator: tuple[str, ...],
    as_json: bool,
) -> None:
    """Says what moving nights to the catalog's evaluator versions would take, and pays nothing.

    \b
    Examples:
      andon plan
      andon plan --evaluator faithful-summary --from 2026-10-01 --json
    """
    from evals.plan import plan as planned

    here = place(home, catalog)
    lake = here.lake()
    over = span(lake.nights("traces"), first, last, only)
    known(here, evaluator)
    rows = planned(lake, here.catalog(), here.references(lake), over, evaluator or None)
    if as_json:
        calls = sum(row.calls for row in rows)
        show({"calls": calls, "plan": [asdict(row) for row in rows]})
        return
    from orchestration import board

    board.draw_plan(rows)


@main.command()
@located
@ranged
@click.option("--evaluator", multiple=True, help="Only these; default: all that changed.")
@click.option("--dry-run", is_flag=True, help="Say what it would do, and stop.")
@as_json
@click.pass_context
def backfill(
    ctx: click.Context,
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    evaluator: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Moves nights to the catalog's evaluator versions and reports them anew.

    Each report is a new version beside the old one; only what changed is asked again.

    \b
    Examples:
      andon backfill --evaluator faithful-summary --from 2026-10-08 --to 2026-10-14
      andon backfill --dry-run
    """
    from evals import ledger, nights

    here = place(home, catalog)
    lake = here.lake()
    over = span(lake.nights("traces"), first, last, only)
    if dry_run:
        ctx.invoke(plan, evaluator=evaluator, as_json=as_json, first=first, last=last, only=only)
        return
    known(here, evaluator)
    ledger.recover(lake)
    for night in over:
        apps = nights.state(lake, night).get("apps", {})
        for app in (name for name, account in apps.items() if not account["refused"]):
            nights.move(lake, here.catalog(), night, app, evaluator or None)
    calls, failures = 0, []
    due = over if not evaluator else [found.night for found in nights.pending(lake, over)]
    readable(here.catalog(), due)
    with telling(as_json) as say:
        for begin, end in nights.consecutive(due):
            from orchestration.launch import launch

            launched = launch(here.home, "rescore", begin, end, say)
            calls += launched.calls
            failures += launched.failures
    finish(here, lake, due, calls, failures, as_json)


def known(here: Settings, names: tuple[str, ...]) -> None:
    """Refuses an evaluator the catalog does not declare."""
    from evals import evaluators

    declared = evaluators.names(here.catalog())
    for name in names:
        if name not in declared:
            fail(USAGE, f"no evaluator {name!r} in the catalog; declared: {', '.join(declared)}")


@main.command()
@located
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, help="The night; default: the last one reported.")
@as_json
def gate(home: Path | None, catalog: Path | None, app: str, only: Any, as_json: bool) -> None:
    """Exits 0 when a night passed, 1 regressed, 3 inconclusive, 4 infrastructure.

    \b
    Example:
      andon gate --app extraction --date 2026-10-08
    """
    lake = place(home, catalog).lake()
    body = chosen(lake, app, only)
    if as_json:
        show({key: body[key] for key in ("date", "app", "version", "gate", "sentence")})
    else:
        click.echo(f"{body['date']} {app}: {body['gate']['outcome']}. {body['sentence']}")
    sys.exit(GATES.get(body["gate"]["outcome"], INFRASTRUCTURE))


def chosen(lake: Any, app: str, only: Any) -> dict[str, Any]:
    """The current report of an application's night, by default its last."""
    bodies = [body for body in lake.current_reports() if body["app"] == app]
    if only:
        bodies = [body for body in bodies if body["date"] == only.date().isoformat()]
    if not bodies:
        fail(USAGE, f"no report of {app!r}; `andon report list` shows what there is")
    return bodies[-1]


@main.group()
def report() -> None:
    """Shows the reports at rest."""


@report.command("list")
@located
@as_json
def report_list(home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Lists every version of every report.

    \b
    Example:
      andon report list --json
    """
    lake = place(home, catalog).lake()
    current = {(b["date"], b["app"]): b["version"] for b in lake.current_reports()}
    rows = []
    for path in sorted((lake.home / "reports").glob("*/*/*/report.json")):
        night, app, version = path.parts[-4:-1]
        row = {"date": night, "app": app, "version": version}
        rows.append({**row, "current": current.get((night, app)) == version})
    if as_json:
        show(rows)
        return
    for row in rows:
        mark = "" if row["current"] else " (older version)"
        click.echo(f"{row['date']} {row['app']} {row['version']}{mark}")


@report.command("show")
@located
@ranged
@click.option("--app", required=True, help="The application.")
@as_json
def report_show(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    app: str,
    as_json: bool,
) -> None:
    """Shows a night, or with --from and --to the nights' counts pooled.

    \b
    Examples:
      andon report show --app chat --date 2026-10-08
      andon report show --app chat --from 2026-10-01 --to 2026-10-07 --json
    """
    from orchestration import board

    lake = place(home, catalog).lake()
    if first or last:
        from evals.report import pool

        days = span(lake.nights("traces"), first, last, None)
        wanted = {day.isoformat() for day in days}
        bodies = [b for b in lake.current_reports() if b["app"] == app and b["date"] in wanted]
        if not bodies:
            fail(USAGE, f"no report of {app!r} in those nights")
        results = pool(bodies)
        nights = [body["date"] for body in bodies]
        body = {"app": app, "from": nights[0], "to": nights[-1], "results": results}
    else:
        body = chosen(lake, app, only)
    if as_json:
        show(body)
    else:
        board.draw_results(body)


@report.command("diff")
@located
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@as_json
def report_diff(
    home: Path | None, catalog: Path | None, app: str, only: Any, as_json: bool
) -> None:
    """Shows what differs between the versions of a night's report, oldest first.

    \b
    Example:
      andon report diff --app notifications --date 2026-10-08
    """
    from orchestration import board

    lake = place(home, catalog).lake()
    moved = board.versions(lake, only.date(), app)
    if as_json:
        show(moved)
        return
    for step in moved:
        click.echo(f"{step['before']} → {step['after']}: {'; '.join(step['moved']) or 'nothing'}")


@main.group()
def labels() -> None:
    """Carries the review queue out and labels back in."""


@labels.command("export")
@located
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@click.option("--app", help="One application.")
@click.option("-o", "--out", type=click.File("w", encoding="utf-8"), default="-", help="Where to.")
def labels_export(
    home: Path | None, catalog: Path | None, only: Any, app: str | None, out: Any
) -> None:
    """Writes a night's review queue as JSONL with an empty verdict to fill in.

    \b
    Example:
      andon labels export --date 2026-10-14 -o queue.jsonl
    """
    from evals import flywheel

    lake = place(home, catalog).lake()
    for row in flywheel.sheet(lake, only.date(), app):
        out.write(json.dumps(row, ensure_ascii=False) + "\n")


@labels.command("import")
@located
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def labels_import(home: Path | None, catalog: Path | None, path: Path) -> None:
    """Adds a file of labels; rows whose verdict is still empty are left out.

    \b
    Example:
      andon labels import queue.jsonl
    """
    from evals import intake

    lake = place(home, catalog).lake()
    click.echo(f"{intake.import_labels(lake, path)} labels added; `andon nightly` reports them")


@main.command("quarantine")
@located
@as_json
def quarantine(home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Lists refused rows with their file, line and reason.

    \b
    Example:
      andon quarantine --json
    """
    from evals import intake

    lake = place(home, catalog).lake()
    keys = ("source_file", "source_line", "code", "reason", "app", "trace_id")
    rows = [{key: getattr(row, key) for key in keys} for row in intake.refusals(lake)]
    if as_json:
        show(rows)
        return
    for row in rows:
        where = f"{row['source_file']}:{row['source_line']}"
        click.echo(f"{where}: {row['code']}: {row['reason']}")
    if not rows:
        click.echo("nothing in quarantine")


@main.command()
@located
@as_json
def doctor(home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Checks the catalog, the models' pins and the data folder.

    \b
    Example:
      andon doctor
    """
    from orchestration import checkup

    findings = checkup.examine(place(home, catalog))
    if as_json:
        show([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:>5}  {finding.about}: {finding.words}")
    sys.exit(USAGE if any(finding.state == "fail" for finding in findings) else DONE)


@main.command()
@located
@click.option("--port", default=3000, show_default=True, help="Dagster's; the board is one above.")
def ui(home: Path | None, catalog: Path | None, port: int) -> None:
    """Serves Dagster and the board on this machine until interrupted.

    \b
    Example:
      andon ui --port 3000
    """
    from orchestration import serve

    sys.exit(serve.serve(place(home, catalog), port))


if __name__ == "__main__":
    main()
