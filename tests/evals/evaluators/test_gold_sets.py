"""Gold sets: how their files are read, and which row belongs to a trace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators.gold_checks import describe_balance, describe_gold
from evals.evaluators.gold_sets import GoldRow, GoldSet, GoldUse, load_gold_set, redact_gold_set
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Json, Trace
from evals.specs import App, Catalog, CatalogError, load_catalog
from evals.storage.lake import Lake
from tests.catalog_files import write_catalog

ROWS = (GoldRow("Where is it?", "here"), GoldRow("Is it red?", "yes"))
PLAIN = '{"input": "Where is it?", "gold": "here"}\n{"input": "Is it red?", "gold": "yes"}\n'
CELLS = "input{0}gold\r\nWhere is it?{0}here\r\nIs it red?{0}yes\r\n"
SEPARATORS = "\u2028 \u2029 \x85"


def read(folder: Path, name: str, content: str | bytes) -> tuple[GoldRow, ...]:
    """The rows of a gold set whose file has some content."""
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return load_gold_set(folder, name.split(".")[0])


FILES = {
    "lines": ("g.jsonl", PLAIN),
    "lines with a byte order mark": ("g.jsonl", "\ufeff" + PLAIN),
    "lines in UTF-16": ("g.jsonl", PLAIN.encode("utf-16")),
    "commas": ("g.csv", CELLS.format(",")),
    "a byte order mark": ("g.csv", "\ufeff" + CELLS.format(",")),
    "semicolons": ("g.csv", CELLS.format(";")),
    "a declared separator": ("g.csv", "sep=;\r\n" + CELLS.format(";")),
    "tabs in UTF-16": ("g.csv", CELLS.format("\t").encode("utf-16")),
    "quoted names": ("g.csv", '"input";"gold"\n"Where is it?";"here"\n\n"Is it red?";"yes"\n'),
}


@pytest.mark.parametrize(("name", "content"), FILES.values(), ids=FILES)
def test_gold_sets_are_read_as_people_save_them(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    """Byte order marks, separators and encodings of spreadsheets make no difference."""
    assert read(tmp_path, name, content) == ROWS


@pytest.mark.parametrize("written", ['{{"input": "a{0}b", "gold": "x"}}', 'input,gold\n"a{0}b",x'])
def test_line_separators_inside_a_text_end_no_row(tmp_path: Path, written: str) -> None:
    """Only line feeds end a line of JSON, and in a quoted cell not even those."""
    name = "g.jsonl" if written.startswith("{") else "g.csv"
    inner = SEPARATORS if name == "g.jsonl" else SEPARATORS + "\x0b \x0c \n"
    assert read(tmp_path, name, written.format(inner)) == (GoldRow(f"a{inner}b", "x"),)


WRONG = {
    "another column": ("g.csv", "question,gold\nWhere?,here\n", ":2: no `input`"),
    "another separator": ("g.csv", "input gold\nWhere? here\n", ":2: no `input` and no `gold`"),
    "a ragged row": ("g.csv", 'input,gold\n"a\nb",x\n\nc,d,e\n', ":5: 3 cells under a header of 2"),
    "a raw form feed": ("g.jsonl", '{"input": "a\x0cb", "gold": 1}\n', ":1: The line is not JSON"),
    "another key": ("g.jsonl", PLAIN + '{"Input": "a", "gold": 1}\n', ":3: no `input`"),
    "Latin letters": ("g.jsonl", PLAIN.encode() + b'{"input": "M\xfcll"}', ":3: the text is not"),
    "a number": ("g.jsonl", "7\n", ":1: The line is a number"),
}


@pytest.mark.parametrize(("name", "content", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_with_its_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, problem: str
) -> None:
    """Lines are those of the file, blank ones and those within cells counted."""
    with pytest.raises(CatalogError) as refused:
        read(tmp_path, name, content)
    assert refused.value.messages[0].startswith(f"{tmp_path / name}{problem}")


def privacy(*kinds: str) -> PrivacyFilter:
    """The filter of a home whose application redacts some kinds."""
    return PrivacyFilter(Catalog(root=Path(), apps={"desk": App(app="desk", redact=kinds)}), b"key")


def ask(question: str, filtered: PrivacyFilter, **more: Any) -> Trace:
    """A trace as the home stores it."""
    row = Trace("t", datetime(2026, 10, 1, tzinfo=UTC), "desk", "Yes.", question, **more)
    trace = filtered.filter_row(row)
    assert isinstance(trace, Trace)
    return trace


def build(*rows: tuple[str, Any], filtered: PrivacyFilter | None = None) -> GoldSet:
    """A gold set of some rows."""
    return redact_gold_set([GoldRow(*row) for row in rows], "desk", filtered or privacy("email"))


def find(gold: GoldSet, trace: Trace) -> Any:
    """The gold value of a trace."""
    row = gold.find_row(trace)
    return row.gold if row else None


def test_gold_is_redacted_as_traces_are() -> None:
    """Gold that holds an address belongs to the trace from which the address was taken."""
    question = "Is ann@example.com right?"
    gold = build((question, {"to": "ann@example.com"}))
    assert find(gold, ask(question, privacy("email"))) == {"to": "[redacted:email]"}
    kept = build((question, "ann@example.com"), filtered=privacy())
    assert find(kept, ask(question, privacy())) == "ann@example.com"


@pytest.mark.parametrize("user", ["ann@example.com", "customer-4711"])
def test_gold_that_names_the_user_belongs_to_that_user(user: str) -> None:
    """A user's own id is hashed in the trace's texts, and of that user only."""
    question = f"Who is {user}?"
    gold = build((question, "Ann"))
    assert find(gold, ask(question, privacy("email"), user_id=user)) == "Ann"
    other = ask("Who is customer-4712?", privacy("email"), user_id="customer-4712")
    assert find(gold, other) is None


@pytest.mark.parametrize(
    ("written", "asked"),
    [("Mu\u0308ll?", "Müll?"), ("Is it 5 €?", "Is  it 5\xa0€?\n"), ("It's?", "It\u2019s?")],
)
def test_gold_is_found_in_the_form_in_which_texts_are_compared(written: str, asked: str) -> None:
    """Spellings of a character and spaces are alike; letter case is not."""
    trace = ask(asked, privacy())
    assert find(build((written, 1)), trace) == 1
    assert find(build((written, 1), (asked, 2)), trace) == 2
    assert find(build((written.upper(), 1)), trace) is None


def test_gold_that_redaction_makes_ambiguous_is_not_used() -> None:
    """Of two rows that are one once redacted, neither may be the right answer."""
    rows = ("May a@example.com?", "May b@example.com?")
    trace = ask(rows[0], privacy("email"))
    assert find(build(*((row, "yes") for row in rows)), trace) == "yes"
    assert find(build((rows[0], "yes"), (rows[1], "no")), trace) is None


def test_rows_that_match_no_trace_are_counted() -> None:
    """However often an input is asked, its row counts once."""
    use = GoldUse(build(("May a@example.com?", 1), ("Where?", 2), ("When?", 3)))
    trace = ask("Where?", privacy())
    for one in (trace, replace(trace, trace_id="u"), ask("May a@example.com?", privacy("email"))):
        use.add_trace(one)
    assert (use.rows, use.matched) == (3, 2)
    assert GoldUse(None).rows == 0


def test_rows_that_redaction_makes_alike_are_named(tmp_path: Path) -> None:
    """With file and line where their gold differs; rows with one value are used as one."""
    lines = [
        '{"input": "Is ann@example.com right?", "gold": 1}',
        '{"input": "Is bob@example.com right?", "gold": 2}',
        '{"input": "Was ann@example.com there?", "gold": 3}',
        '{"input": "Was bob@example.com there?", "gold": 3}',
    ]
    files: dict[str, Any] = {
        "apps/desk.yaml": {"app": "desk", "suite": "desk", "redact": ["email"]},
        "suites/desk.yaml": {
            "suite": "desk",
            "dimensions": [
                {
                    "dimension": "right",
                    "question": "Is it right?",
                    "check": {"reference": "equals", "gold": "desk"},
                }
            ],
        },
    }
    (tmp_path / "catalog" / "gold").mkdir(parents=True)
    (tmp_path / "catalog" / "gold" / "desk.jsonl").write_text("\n".join(lines))
    catalog = load_catalog(write_catalog(tmp_path / "catalog", files))
    (words,) = describe_gold(Lake(tmp_path / "home").open(), catalog)
    assert words.startswith("gold/desk.jsonl:1, gold/desk.jsonl:2: the inputs are one once desk")


def test_a_gold_set_is_named_by_its_rows() -> None:
    """Another right answer or question is another version; the order of rows is not."""
    rows = (("Where?", {"a": 1, "b": float("nan")}), ("When?", None))
    version = build(*rows).version
    assert build(*reversed(rows)).version == version
    assert GoldUse(build(*rows)).version == version
    assert GoldUse(None).version == ""
    for other in ((rows[0], ("When?", 1)), (rows[0], ("How?", None)), rows[:1]):
        assert build(*other).version != version


@pytest.mark.parametrize(
    ("answerable", "unanswerable", "words"),
    [(9, 1, "never abstains passes most"), (1, 9, "never answers passes most"), (4, 6, "")],
)
def test_an_abstention_set_of_one_sort_is_named(
    answerable: int, unanswerable: int, words: str
) -> None:
    """Where an application that always does the same would pass most questions."""
    values: list[Json] = [True] * answerable + ["unanswerable"] * unanswerable + ["neither"]
    assert words in "".join(describe_balance("unknowns", values))
