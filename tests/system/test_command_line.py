"""What the command line promises: exit codes, one document on stdout, sentences for errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.teams import CommandResult, Team, find_row, run_andon, run_command

BASE, GOOD, WORSE, TORN = "2026-05-04", "2026-05-05", "2026-05-06", "2026-05-07"
TRACES = 60
COMMANDS = (
    ("init",),
    ("nightly",),
    ("import",),
    ("pull",),
    ("plan",),
    ("backfill",),
    ("gate",),
    ("report", "list"),
    ("report", "show"),
    ("report", "diff"),
    ("labels", "export"),
    ("labels", "import"),
    ("judge", "attack"),
    ("batches", "list"),
    ("batches", "cancel"),
    ("quarantine", "list"),
    ("quarantine", "show"),
    ("quarantine", "replay"),
    ("forget",),
    ("tidy",),
    ("migrate",),
    ("doctor",),
    ("ui",),
)

pytestmark = pytest.mark.slow


def trace(night: str, number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request, invented; on the worse night half the answers do not greet."""
    greets = night != WORSE or number % 2
    return {
        "trace_id": f"{night}-{number}",
        "ts": f"{night}T08:{number % 60:02d}:00Z",
        "app": "hello",
        "input": f"Greet guest {number}.",
        "output": f"{'Hello' if greets else 'Go away'}, guest {number}.",
        "prompt_version": "v2" if night == WORSE else "v1",
        **more,
    }


def files() -> dict[str, Any]:
    """A catalog of one application that greets."""
    greets = {"assertion": "regex", "params": {"pattern": "^Hello"}}
    question = "Does it greet?"
    dimensions = [
        {"dimension": "greets", "question": question, "check": greets, "recorded": True},
    ]
    gate = {"max_drop": 0.2, "baseline_nights": 2, "dimensions": ["greets"]}
    return {
        "catalog.yaml": {"title": "Greetings", "since": BASE},
        "slices.yaml": [{"slice": "prompt", "by": "prompt_version"}],
        "apps/hello.yaml": {
            "app": "hello",
            "suite": "hello",
            "gate": gate,
            "review_queue": 6,
            "cadence": "irregular",
        },
        "suites/hello.yaml": {"suite": "hello", "dimensions": dimensions},
    }


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Four nights in one run: a first, a good, a worse, and one of broken rows."""
    team = Team(tmp_path_factory.mktemp("cli"))
    team.declare(files())
    for night in (BASE, GOOD, WORSE):
        team.export(f"{night}.jsonl", [trace(night, number) for number in range(TRACES)])
    team.export("torn.jsonl", [trace(TORN, number, latency_ms=-1) for number in range(9)])
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


def test_a_gate_says_why_a_night_has_no_report(team: Team) -> None:
    """A night without traces ends with 4, and the nearest report is named."""
    result = team.run("gate", "--app", "hello", "--date", "2026-01-01", code=4)
    assert "its `cadence` expects no traces of that night" in result.errors
    assert f"the nearest report is of {BASE}" in result.errors


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
    """The sentence that goes with exit code 1 says what fell and which prompt did it."""
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
    other.export("good.jsonl", [trace(BASE, number) for number in range(3)])
    other.run("import", other.inbox)
    (staged,) = (other.home / "staged").glob("*/*.parquet")
    staged.write_bytes(b"no parquet")
    result = other.run("nightly", "--json", code=4, cold=True)
    assert result.json["failures"]
    assert "Parquet" in result.errors
    assert "Traceback" not in result.errors
    assert 'File "' not in result.errors


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    """`--help` of every command shows the command in use."""
    result = run_andon(*command, "--help")
    assert result.code == 0
    _, _, example = result.out.partition("Example")
    assert f"andon {' '.join(command)}" in example


def test_no_command_is_left_out_above() -> None:
    """The commands whose help is looked at are all there are."""
    listed = run_command(sys.executable, "-c", LISTING)
    assert listed.code == 0, listed.errors
    assert {tuple(name) for name in listed.json} == set(COMMANDS)


LISTING = """
import json
import click
from orchestration.cli.main import main
commands = []
for name, command in main.commands.items():
    inner = command.commands if isinstance(command, click.Group) else None
    commands += [[name, sub] for sub in inner] if inner else [[name]]
print(json.dumps(commands))
"""


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("apps/hello.yaml", "app: hello\nsuite: hello\nbudgt: 3\n", ":3: budgt: "),
        ("apps/hello.yaml", "app: hello\nsuite: helo\n", ":2: suite: "),
        ("apps/hello.yaml", "app: hello\nsuite: [hello\n", ":3: "),
        ("suites/hello.yaml", "suite: hello\ndimensions: many\n", ":2: dimensions: "),
        ("slices.yaml", "- {slice: a, by: model, where: 'true'}\n", ":1: 0: "),
        ("catalog.yaml", "title: Hi\nday_begins: 30\n", ":2: day_begins: "),
        (
            "suites/hello.yaml",
            "suite: hello\ndimensions:\n- dimension: a\n  question: b\n"
            "  check: {reference: equals, gold: lost}\n",
            ":5: dimensions.0.check.gold: ",
        ),
    ],
)
def test_a_broken_catalog_is_named_by_file_line_and_key(
    tmp_path: Path, name: str, text: str, where: str
) -> None:
    """Usage, exit 2: one sentence on stderr that says where the catalog is wrong."""
    team = Team(tmp_path)
    team.declare(files())
    (team.catalog / name).write_text(text)
    result = team.run("plan", code=2)
    assert result.errors.startswith(f"andon: {team.catalog / name}{where}")
    assert len(result.errors.splitlines()) == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "where"),
    [("mini: gpt-4.1\n", ":1: mini: "), ("- mini\n", ":1: the file: ")],
)
def test_a_broken_unused_pin_stops_no_application(tmp_path: Path, text: str, where: str) -> None:
    """Named by file, line and key, with exit 4; the applications are planned."""
    team = Team(tmp_path)
    team.declare(files())
    (team.catalog / "models.yaml").write_text(text)
    team.home.mkdir()
    result = team.run("plan", "--json", code=4)
    assert result.errors.startswith(f"andon: {team.catalog / 'models.yaml'}{where}")
    assert result.errors.endswith("nothing uses it yet\n")
    assert result.json["plan"] == []


def test_invalid_sql_is_refused_before_a_night_runs(tmp_path: Path) -> None:
    """A slice DuckDB cannot read ends `nightly` with 2, and `doctor` finds it too."""
    team = Team(tmp_path)
    team.declare({**files(), "slices.yaml": [{"slice": "long", "where": "lenght(input) > 9"}]})
    team.export("one.jsonl", [trace(BASE, 0)])
    result = team.run("nightly", "--inbox", team.inbox, code=2)
    assert f"{team.catalog / 'slices.yaml'}:" in result.errors
    assert "lenght" in result.errors
    assert not (team.home / "reports").exists()
    (problem,) = [f for f in team.run("doctor", "--json", code=2).json if f["state"] == "fail"]
    assert "lenght" in problem["words"]


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
    assert other.run_json("labels") == {"apps": [], "waiting": 1}


def test_doctor_finds_nothing_wrong_with_a_good_team(team: Team) -> None:
    """`andon doctor` ends with 0 and names what it checked; refused rows are shown."""
    findings = team.run_json("doctor")
    assert {finding["about"] for finding in findings} >= {"home", "catalog"}
    assert {f["about"] for f in findings if f["state"] != "ok"} == {"quarantine"}


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
