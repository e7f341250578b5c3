"""What the command line promises: exit codes, one document on stdout, sentences for errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.system.greetings import BASE, GOOD, TORN, TRACES, WORSE, build_catalog, build_trace
from tests.system.teams import CommandResult, Team, find_row, run_andon, run_command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Four nights in one run: a first, a good, a worse, and one of broken rows."""
    team = Team(tmp_path_factory.mktemp("cli"))
    team.declare(build_catalog())
    for night in (BASE, GOOD, WORSE):
        team.export(f"{night}.jsonl", [build_trace(night, number) for number in range(TRACES)])
    team.export("torn.jsonl", [build_trace(TORN, number, latency_ms=-1) for number in range(9)])
    team.run_nightly()
    return team


@pytest.mark.parametrize(
    ("night", "outcome", "code"),
    [
        (BASE, "inconclusive", 3),
        (GOOD, "pass", 0),
        (WORSE, "regressed", 1),
        (TORN, "infrastructure", 4),
    ],
)
def test_the_gate_ends_with_the_code_of_the_report(
    team: Team, night: str, outcome: str, code: int
) -> None:
    """`andon gate` exits 0 passed, 1 regressed, 3 inconclusive, 4 infrastructure."""
    result = team.run("gate", "--app", "hello", "--date", night, "--json", code=code)
    assert result.json["gate"]["outcome"] == outcome
    assert result.json["date"] == night


@pytest.mark.parametrize(
    "words",
    [
        ("gate", "--app", "helo"),
        ("report", "show", "--app", "helo"),
        ("report", "show", "--app", "helo", "--from", BASE, "--to", GOOD),
        ("report", "diff", "--app", "helo", "--date", BASE),
        ("labels", "export", "--app", "helo", "--date", BASE),
        ("quarantine", "list", "--app", "helo"),
    ],
)
def test_an_unknown_application_is_a_usage_error(team: Team, words: tuple[str, ...]) -> None:
    """An application that nobody declared or reported ends with 2 and names the nearest."""
    result = team.run(*words, code=2)
    assert result.out == ""
    assert "did you mean hello?" in result.errors


def test_a_gate_explains_why_a_night_has_no_report(team: Team) -> None:
    """A night without traces ends with 4, and the nearest report is named."""
    result = team.run("gate", "--app", "hello", "--date", "2026-01-01", code=4)
    assert "its `cadence` expects no traces of that night" in result.errors
    assert f"the nearest report is of {BASE}" in result.errors


def test_a_gate_of_an_undeclared_application_judges_last_night(team: Team) -> None:
    """Without the catalog that has its cadence, no older night is taken for the last one."""
    result = run_andon("gate", "--app", "hello", "--home", team.home)
    assert result.code == 4
    assert "does not declare it; name its catalog with --catalog" in result.errors


def test_a_catalog_that_is_not_the_team_s_is_noticed(team: Team) -> None:
    """The demo's catalog, which is read without --catalog, does not describe a team's data."""
    for command in ("plan", "doctor", "backfill"):
        result = run_andon(command, "--home", team.home)
        assert result.code == 2
        assert "holds a team's data" in result.out + result.errors


def test_a_gate_of_a_declared_application_without_a_report_is_infrastructure(
    team: Team, tmp_path: Path
) -> None:
    """Its first export may have been refused as a whole: no usage error."""
    words = ("--home", tmp_path, "--catalog", team.catalog)
    assert run_andon("gate", "--app", "hello", *words).code == 4


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("backfill",),
        ("gate", "--app", "hello"),
        ("report", "list"),
        ("report", "show", "--app", "hello"),
        ("report", "diff", "--app", "hello", "--date", BASE),
        ("labels",),
        ("labels", "export", "--date", BASE),
        ("quarantine", "list"),
        ("quarantine", "replay"),
        ("batches", "list"),
        ("forget", "--user", "ann"),
        ("tidy",),
    ],
)
def test_a_command_that_reads_makes_no_home(
    team: Team, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A data folder that does not exist ends with 2, is named, and is not made."""
    home = tmp_path / "nowhere"
    result = run_andon(*words, "--home", home, "--catalog", team.catalog)
    assert result.code == 2
    assert f"no data folder {home}" in result.errors
    assert not home.exists()


def test_doctor_warns_of_a_home_that_others_can_read(team: Team, tmp_path: Path) -> None:
    """The finding names the command that closes it."""
    tmp_path.chmod(0o755)
    result = run_andon("doctor", "--home", tmp_path, "--catalog", team.catalog)
    assert f"run `chmod 700 {tmp_path}`" in result.out


def test_doctor_makes_no_home(team: Team, tmp_path: Path) -> None:
    """The catalog can be checked before the first run."""
    home = tmp_path / "nowhere"
    result = run_andon("doctor", "--home", home, "--catalog", team.catalog)
    assert result.code == 0
    assert "does not exist yet" in result.out
    assert not home.exists()


def test_a_report_shows_its_slices_on_demand(team: Team) -> None:
    """Without --slices a report is its verdict, rates, causes and agreement."""
    words = ("report", "show", "--app", "hello", "--date", WORSE)
    short, whole = team.run(*words).out, team.run(*words, "--slices").out
    assert "gate regressed: greets" in short
    assert "prompt v2 replaced v1" in short
    assert "prompt=v2" not in short
    assert "prompt=v2" in whole


def test_the_regressed_night_names_its_cause(team: Team) -> None:
    """The sentence that goes with exit code 1 names what fell and which prompt did it."""
    sentence = team.report(WORSE, "hello")["sentence"]
    assert sentence.startswith("Slipped: greets 100% → 50%")
    assert "prompt v2" in sentence


@pytest.mark.parametrize(
    "words",
    [
        ("nightly", "--json"),
        ("plan", "--json"),
        ("backfill", "--dry-run", "--json"),
        ("backfill", "--evaluator", "hello.greets", "--json"),
        ("report", "list", "--json"),
        ("report", "show", "--app", "hello", "--json"),
        ("report", "show", "--app", "hello", "--from", BASE, "--to", GOOD, "--json"),
        ("report", "diff", "--app", "hello", "--date", BASE, "--json"),
        ("quarantine", "--json"),
        ("doctor", "--json"),
    ],
)
def test_json_is_one_document_on_stdout(team: Team, words: tuple[str, ...]) -> None:
    """With --json standard output holds one JSON document, with nothing before or after it."""
    result = team.run(*words, cold=True)
    assert result.json is not None
    assert result.out.lstrip()[0] in "[{"


def test_messages_beside_the_document_go_to_stderr(team: Team, tmp_path: Path) -> None:
    """A night that ends with 4 prints the document on stdout and the trouble on stderr."""
    other = Team(tmp_path, team.catalog)
    other.export("good.jsonl", [build_trace(BASE, number) for number in range(3)])
    other.run("import", other.inbox)
    (staged,) = (other.home / "staged").glob("*/*.parquet")
    staged.write_bytes(b"no parquet")
    result = other.run("nightly", "--json", code=4, cold=True)
    assert result.json["failures"]
    assert staged.name in result.errors
    assert "Traceback" not in result.errors
    assert 'File "' not in result.errors


@pytest.mark.parametrize(
    "words",
    [
        ("nightly", "--inbox", "no/such/folder"),
        ("nightly", "--date", "yesterday"),
        ("nightly", "--from", "2026-05-09", "--to", "2026-05-01"),
        ("nightly", "--spread", "2026-05-09", "2026-05-01"),
        ("nightly", "--spread", "2026-05-01", "2026-05-02", "--assume-date", "2026-05-01"),
        ("plan", "--evaluator", "nobody"),
        ("backfill", "--evaluator", "nobody"),
        ("report", "show", "--app", "../../etc"),
        ("labels", "import", "no/such/file"),
    ],
)
def test_invalid_arguments_are_usage_errors(team: Team, words: tuple[str, ...]) -> None:
    """Exit 2 with a sentence on stderr, nothing on stdout, and no stack."""
    result = team.run(*words, code=2)
    assert result.out == ""
    assert result.errors.strip()
    assert "Traceback" not in result.errors


def test_an_unusable_home_is_an_infrastructure_error(team: Team, tmp_path: Path) -> None:
    """Exit 4 where the data folder is of another version, with the two versions named."""
    (tmp_path / "schema.json").write_text('{"schema_version": 99}')
    result: CommandResult = run_andon("plan", "--home", tmp_path, "--catalog", team.catalog)
    assert result.code == 4
    assert "99" in result.errors
    assert "Traceback" not in result.errors


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("{]", "not JSON"),
        ('{"trace_id": "t"}', "needs annotator"),
        (
            '{"trace_id": "t", "dimension": "d", "verdict": "pass", "annotator": "a", '
            '"annotator_kind": "martian"}',
            "annotator_kind",
        ),
        (
            '{"trace_id": ["t"], "dimension": "d", "verdict": "pass", "annotator": "a", '
            '"annotator_kind": "human"}',
            "trace_id",
        ),
    ],
)
def test_a_row_that_is_no_label_is_refused_alone(
    team: Team, tmp_path: Path, line: str, about: str
) -> None:
    """It is named by file and line and the command ends with 2; the row after it is added."""
    good = {"trace_id": "t", "dimension": "greets", "verdict": "Pass", "annotator": "a"}
    path = tmp_path / "labels.jsonl"
    path.write_text(f"\n{line}\n" + json.dumps({**good, "annotator_kind": "human"}))
    other = Team(tmp_path, team.catalog)
    result = other.run("labels", "import", path, code=2)
    assert result.errors.startswith(f"andon: {path}:2: ")
    assert about in result.errors
    assert result.out.startswith("1 label added, 1 of them waiting for a trace")
    assert "1 refused" in result.out
    counted = other.run("labels").out
    assert counted == "1 waiting for its trace; `andon doctor` names it\n"
    counts = {"sessions": 0, "deferred": 0, "withdrawn": 0, "people": []}
    assert other.run_json("labels") == {"apps": [], "waiting": 1, **counts}


def test_doctor_finds_nothing_wrong_with_a_good_team(team: Team) -> None:
    """`andon doctor` ends with 0 and names what it checked, refused rows and what is due."""
    findings = team.run_json("doctor")
    assert {finding["about"] for finding in findings} >= {"home", "catalog"}
    wrong = {finding["about"] for finding in findings if finding["state"] != "ok"}
    assert wrong == {"quarantine", "error analysis"}


def test_exported_and_imported_labels_count_in_the_agreement(team: Team) -> None:
    """A filled-in queue changes its night's agreement in a new version beside the old one."""
    old = team.report(WORSE, "hello")
    assert old["agreement"] == []
    sheet = team.folder / "queue.jsonl"
    team.run("labels", "export", "--date", WORSE, "-o", sheet)
    asked = [json.loads(line) for line in sheet.read_text().splitlines()]
    assert len(asked) == 6
    assert {(row["verdict"], row["annotator"]) for row in asked} == {("", "")}
    for row in asked:
        row["annotator"] = "ada"
        row["verdict"] = "pass" if row["output"].startswith("Hello") else "fail"
    asked[0]["verdict"] = ""
    sheet.write_text("".join(json.dumps(row) + "\n" for row in asked))
    assert team.run("labels", "import", sheet).out.startswith("5 labels added")
    assert WORSE in team.run_nightly()["nights"]

    new = team.report(WORSE, "hello")
    (agreed,) = [row for row in new["agreement"] if row["evaluator"] == "hello.greets"]
    assert agreed["n"] == 5
    assert agreed["tp"] + agreed["tn"] == 5
    assert find_row(new, "greets.human")["n"] == 5
    assert new["version"] != old["version"]
    versions = {folder.name for folder in team.list_versions(WORSE, "hello")}
    assert versions == {old["version"], new["version"]}
    assert len(team.list_versions(GOOD, "hello")) == 1


HEAVY = ("dagster", "dbt", "great_expectations", "pandas", "duckdb", "pyarrow", "click")


def test_the_guard_imports_without_the_platform() -> None:
    """`from evals import Guard` loads nothing that the platform extra installs."""
    loaded = "import json, sys; from evals import Guard; print(json.dumps(sorted(sys.modules)))"
    result = run_command(sys.executable, "-c", loaded)
    assert result.code == 0, result.errors
    modules = {name.partition(".")[0] for name in result.json}
    assert "pydantic" in modules
    assert modules.isdisjoint(HEAVY)


def test_a_probe_is_for_a_dry_run(team: Team) -> None:
    """A run asks every question itself."""
    for command in ("nightly", "backfill"):
        result = team.run(command, "--probe", "5", code=2)
        assert "--dry-run" in result.errors
