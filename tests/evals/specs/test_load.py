"""Promises of loading a catalog: nothing in it is lost without a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.specs import Catalog, CatalogError, load_catalog
from tests.catalog_files import write_catalog

FILES = {
    "catalog.yaml": "title: a catalog\n",
    "apps/chat.yaml": "app: chat\nsuite: chat\n",
    "apps/other.yaml": "app: other\n",
    "suites/chat.yaml": (
        "suite: chat\n"
        "dimensions:\n"
        "  - dimension: greets\n"
        "    question: Does it greet?\n"
        "    check: {assertion: contains, params: {values: [hello]}}\n"
    ),
}
AGAIN = "  - dimension: greets\n    question: Again?\n    check: {assertion: valid_json}\n"


def load_files(root: Path, **files: str) -> Catalog:
    """Loads a catalog of the good files and some others; `__` in a name is a slash."""
    named = {name.replace("__", "/").replace("_yml", ".yml"): text for name, text in files.items()}
    for name, text in {**FILES, **named}.items():
        path = root / (name if "." in name else f"{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    load_catalog.cache_clear()
    return load_catalog(root)


def list_messages(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Lists the messages of each application that a problem stops."""
    return {name: problem.messages for name, problem in catalog.broken.items()}


def test_two_dimensions_of_one_name_stop_their_application(tmp_path: Path) -> None:
    """The message names the line of each; the other application is evaluated."""
    catalog = load_files(tmp_path, suites__chat=FILES["suites/chat.yaml"] + AGAIN)
    assert list(catalog.apps) == ["other"]
    (message,) = list_messages(catalog)["chat"]
    assert f"{tmp_path}/suites/chat.yaml:6: dimensions.1.dimension" in message
    assert "declared on line 3 already" in message


@pytest.mark.parametrize(
    ("slices", "stopped"),
    [
        ("- {slice: long, keyword: a}\n- {slice: long, keyword: b}\n", {"chat", "other"}),
        ("- {slice: long, keyword: a}\n- {slice: long, keyword: b, apps: [chat]}\n", {"chat"}),
    ],
)
def test_two_slices_of_one_name_stop_their_shared_applications(
    tmp_path: Path, slices: str, stopped: set[str]
) -> None:
    """Slices of different applications may have one name."""
    try:
        stopped_apps = set(list_messages(load_files(tmp_path, slices=slices)))
    except CatalogError:  # every application is stopped
        stopped_apps = {"chat", "other"}
    assert stopped_apps == stopped
    apart = "- {slice: s, keyword: a, apps: [chat]}\n- {slice: s, keyword: b, apps: [other]}\n"
    assert len(load_files(tmp_path, slices=apart).slices) == 2


def test_a_slice_is_not_called_all(tmp_path: Path) -> None:
    """The name `all` is reserved for the whole night."""
    with pytest.raises(CatalogError, match=r"slices.yaml:1: .*`all` names the whole night"):
        load_files(tmp_path, slices="- {slice: all, keyword: a}\n")


@pytest.mark.parametrize("name", ["slices_yml", "suites__chat_yml", "slices.YAML", "judges__j.Yml"])
def test_a_yml_file_is_refused(tmp_path: Path, name: str) -> None:
    """The error asks to rename `.yml`, or an ending in capitals, to `.yaml`."""
    with pytest.raises(CatalogError, match=r"(?i)\.ya?ml:1: .*rename it to \w+\.yaml"):
        load_files(tmp_path, **{name: "- {}\n"})


def test_an_application_in_a_yml_file_stops_alone(tmp_path: Path) -> None:
    """The other applications are evaluated."""
    catalog = load_files(tmp_path, apps__third_yml="app: third\n")
    assert set(list_messages(catalog)) == {"third"}


def test_an_inbox_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` and variables are expanded, and a relative path begins at the catalog."""
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("BUCKET", "exports")
    assert load_files(tmp_path, catalog="inbox: ~/in\n").inbox == Path("/somewhere/in")
    assert (
        load_files(tmp_path, catalog="inbox: ${BUCKET}/in\n").inbox == tmp_path / "exports" / "in"
    )
    assert load_files(tmp_path, catalog="inbox: s3://${BUCKET}/in\n").inbox == "s3://exports/in"
    with pytest.raises(CatalogError, match=r"catalog.yaml:1: inbox: \$\{NOPE\} is not set"):
        load_files(tmp_path, catalog="inbox: ${NOPE}/in\n")


def test_a_catalogs_inbox_has_to_exist(tmp_path: Path) -> None:
    """A run that would read nothing is refused, by file, line and key."""
    catalog = load_files(tmp_path, catalog="title: t\ninbox: in\n")
    with pytest.raises(CatalogError, match=r"catalog.yaml:2: inbox: .*/in does not exist"):
        catalog.require_inbox()
    (tmp_path / "in").mkdir()
    catalog.require_inbox()
    load_files(tmp_path, catalog="inbox: 'in/*.jsonl'\n").require_inbox()
    load_files(tmp_path, catalog="inbox: s3://bucket/in\n").require_inbox()
    load_files(tmp_path).require_inbox()


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("{human: true}", "`human: true`"),
        ("{assertion: [contains]}", '`assertion: ["contains"]`'),
        ("{true: contains}", '`True: "contains"`'),
        ("human", "`human`"),
    ],
)
def test_a_check_that_is_no_evaluator_is_explained(tmp_path: Path, check: str, found: str) -> None:
    """The message shows the form of a check, what was found, and what to write for people."""
    dimension = f"  - dimension: greets\n    question: Does it?\n    check: {check}\n"
    catalog = load_files(tmp_path, suites__chat=f"suite: chat\ndimensions:\n{dimension}")
    (message,) = list_messages(catalog)["chat"]
    assert "such as `assertion: contains`" in message
    assert f"found {found}; where people judge" in message
    assert "`recorded: true`" in message


JUDGED = {
    "suites__chat": (
        "suite: chat\n"
        "dimensions:\n"
        "  - {dimension: kind, question: 'Is it?', check: {judge: kind}}\n"
    ),
    "models": "m: {model: m-2026-01-01, base_url: 'http://127.0.0.1:1/v1'}\n",
}
KIND = "judge: kind\nasks: Is it kind?\nmodel: m\nsystem: Is it?\npool: kind.jsonl\n"


def test_a_judge_has_the_examples_of_its_file(tmp_path: Path) -> None:
    """A pool in a file of its own is read with the judge, after the examples it declares."""
    lines = '{"input": "Hi", "output": "Hello", "verdict": "pass"}\n\n{"verdict": "fail"}\n'
    files = {"judges__kind": KIND, "judges/kind.jsonl": lines}
    judge = load_files(tmp_path, **JUDGED, **files).judges["kind"]
    assert [example.verdict for example in judge.examples] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("lines", "more", "message"),
    [
        (None, "", "kind.yaml:5: pool: no file 'kind.jsonl' in judges/"),
        ('{"verdict": "fail"}\n{"verdict": "perhaps"}\n', "", "kind.jsonl:2: verdict: "),
        ("{not json", "", "kind.jsonl:1: the line: "),
        ('{"verdict": "fail"}\n', "shown: 2\n", "kind.yaml:6: shown: 2 are to be shown, and"),
    ],
)
def test_a_broken_pool_stops_what_uses_the_judge(
    tmp_path: Path, lines: str | None, more: str, message: str
) -> None:
    """The message names the file and the line; the other application is evaluated."""
    files = {"judges/kind.jsonl": lines} if lines else {}
    catalog = load_files(tmp_path, **JUDGED, **files, judges__kind=KIND + more)
    assert list(catalog.apps) == ["other"]
    (found,) = list_messages(catalog)["chat"]
    assert message in found


def test_a_gate_names_dimensions_that_there_are(tmp_path: Path) -> None:
    """A name that nothing has would gate nothing; a guardrail's is one."""
    files = {
        "catalog.yaml": {},
        "apps/chat.yaml": {
            "app": "chat", "suite": "chat",
            "gate": {"dimensions": ["short", "safe", "shrot", "answered"]},
        },
        "suites/chat.yaml": {"suite": "chat", "dimensions": [
            {"dimension": "short", "question": "Short?", "check": {"assertion": "length"}},
        ]},
        "guardrails/safe.yaml": {"guardrail": "safe", "question": "Safe?", "check": "pii"},
    }  # fmt: skip
    with pytest.raises(CatalogError) as caught:
        load_catalog(write_catalog(tmp_path, files))
    assert "apps/chat.yaml:6: gate.dimensions.2: no dimension 'shrot' in the suite 'chat'" in str(
        caught.value
    )
