"""What is personal does not pass the door: users hashed, texts redacted, labels too."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.ingest.staging import import_file
from evals.privacy import redaction
from evals.privacy.redaction import PrivacyFilter
from evals.records import Label, Refusal, Trace
from evals.specs import App, Catalog
from evals.storage.documents.tombstones import add_closed_nights, add_forgotten
from evals.storage.lake import Lake, LakeError
from evals.validation.quarantine import read_refusals

SECRET = "sk-ant-" + "api03-Zk4mQ8vTn2RbWx7LpYc5"
USER = "ada.lovelace-1815"


def catalog(folder: Path) -> Catalog:
    """A shop that hides e-mail addresses, and a forum that hides nothing."""
    apps = {"shop": App(app="shop", redact=("email",)), "forum": App(app="forum", redact=())}
    return Catalog(root=folder, apps=apps)


def trace(**more: object) -> Trace:
    """A trace of the shop with things nobody should find later."""
    values = {
        "trace_id": "t-1",
        "ts": datetime(2026, 10, 1, 9, tzinfo=UTC),
        "app": "shop",
        "input": f"I am {USER}, write to ada@example.com",
        "output": f"Use {SECRET}",
        "user_id": USER,
        "session_id": "s-1",
        "messages": ({"role": "user", "content": f"mail ada@example.com for {USER}"},),
        "steps": ({"tool": "crm", "result": {"who": USER, "password": "Hq7x-29bLm"}},),
        "metadata": {"user": USER, "note": "fine"},
        "params": {"api_key": SECRET},
        "tags": (f"user:{USER}",),
        "content_hash": "0" * 32,
        **more,
    }
    return Trace(**values)  # pyright: ignore[reportArgumentType]  a test's mixed bag


def rest(home: Path, one: Trace, where: Path) -> Trace:
    """The trace as it comes to rest in a home."""
    found = PrivacyFilter.load(Lake(home).open(), catalog(where)).filter_trace(one)
    assert isinstance(found, Trace)
    return found


def test_nothing_personal_rests_and_what_was_taken_is_counted(tmp_path: Path) -> None:
    """No user id, address or secret is left in any field; the trace says how much of what kind."""
    found = rest(tmp_path / "home", trace(), tmp_path)
    text = repr(found)
    for word in (USER, SECRET, "ada@example.com", "Hq7x-29bLm"):
        assert word not in text
    assert found.metadata["note"] == "fine"
    taken = found.metadata["redactions"]
    assert taken == {"anthropic-key": 2, "email": 2, "password": 1, "user-id": 5}
    assert found.session_id == "s-1"


def test_words_of_few_values_and_files_hold_nobody_s_address(tmp_path: Path) -> None:
    """Nor does the list of the files an inbox had."""
    mail = "ada@example.com"
    names = {name: f"of {mail}" for name in redaction.NAMES if name != "source_file"}
    path = tmp_path / f"export of {mail}.jsonl"
    row = {"trace_id": "t", "ts": "2026-10-01T09:00:00Z", "app": "shop", "output": "Hello."}
    path.write_text(json.dumps({**row, **names}) + "\n")
    lake = Lake(tmp_path / "home").open()
    seen = import_file(lake, catalog(tmp_path), path)
    assert (seen.read, seen.refused) == (1, 0)
    (rested,) = lake.read("staged", lake.nights("staged"))
    assert rested.model == "of [redacted:email]"
    assert mail not in repr([rested, lake.inbox_files()])


def test_a_user_is_the_same_in_a_home_and_another_in_the_next(tmp_path: Path) -> None:
    """Same user, same hash; another home's key gives another; and a hash is not hashed again."""
    first = rest(tmp_path / "a", trace(), tmp_path)
    again = rest(tmp_path / "a", trace(trace_id="t-2"), tmp_path)
    other = rest(tmp_path / "b", trace(), tmp_path)
    assert first.user_id == again.user_id != other.user_id
    assert first.content_hash != other.content_hash
    replayed = rest(tmp_path / "a", trace(user_id=first.user_id), tmp_path)
    assert replayed.user_id == first.user_id


def test_the_key_is_private_and_another_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key's file is its owner's alone; a home begun with one key takes no other."""
    lake = Lake(tmp_path).open()
    monkeypatch.delenv(redaction.KEY_VARIABLE, raising=False)
    assert redaction.user_key(lake) == redaction.user_key(lake)
    assert (tmp_path / "user_key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(redaction.KEY_VARIABLE, "another")
    with pytest.raises(LakeError, match="another key"):
        redaction.user_key(lake)


STEP = {
    "kind": "llm",
    "ts": "2026-10-01T12:00:01.500000+00:00",
    "span_id": "a415555013200000",
    "parent_id": "5c41555501320000",
    "call_id": "41555501-3200-4c0e-8f55-446655440000",
    "model": "gpt-4o-2024-08-06",
    "tokens_in": 4_155_550_132,
}


def test_moments_and_drawn_ids_rest_as_they_are(tmp_path: Path) -> None:
    """No digits of theirs are read as a telephone's: a step still finds its parent."""
    one = trace(steps=(STEP,), input="Write to ada@example.com")
    apps = {"shop": App(app="shop", redact=("email", "card", "phone", "ssn"))}
    door = PrivacyFilter.load(Lake(tmp_path / "home").open(), Catalog(root=tmp_path, apps=apps))
    found = door.filter_trace(one)
    assert isinstance(found, Trace)
    assert "@" not in found.input
    assert found.steps == (STEP,)


def test_a_user_whose_id_looks_drawn_is_still_taken_out(tmp_path: Path) -> None:
    """Also where the id is the whole of a text."""
    user = "6f1d1c9a-1f0e-4f6e-9a52-0f6d1c9a1f0e"
    one = trace(user_id=user, input="", output="", messages=(), metadata={"who": user}, steps=())
    found = rest(tmp_path / "home", one, tmp_path)
    assert user not in repr(found)


HINTS = st.sampled_from(
    (
        *(
            "ada@example.com",
            "Call 415 555 0132",
            "4111 1111 1111 1111",
            "token",
            "api_key",
            SECRET,
        ),
        *("2026-10-01T12:00:00Z", "00f067aa0ba902b7", "Hq7x-29bLm", "password is Hq7x-29bLm", USER),
        *("tokens_in", "gpt-4o-2024-08-06", "https://ada:Hq7x-29bLm@example.com", "a" * 70),
    )
)
WORDS = HINTS | st.lists(HINTS | st.text(max_size=9), max_size=3).map(" ".join)
VALUES = st.recursive(
    WORDS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)
)


@settings(deadline=None)
@given(VALUES)
def test_what_is_called_spotless_would_have_stayed_as_it_is(value: object) -> None:
    """The look at all words together spares work, and never a finding."""
    kinds, user = ("email", "card", "phone"), (USER, "user-1")
    cleaned = redaction.Cleaner(redaction.build_redactor(kinds), user).clean_value(value)
    if redaction.is_clean([value], kinds, user):
        assert cleaned == value


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s-1", True),
        ("6f1d1c9a-1f0e-4f6e-9a52-0f6d1c9a1f0e", True),
        ("1730450000000", True),
        ("ada@example.com/3", False),
        ("+44 20 7946 0958", False),
        (SECRET, False),
    ],
)
def test_an_id_is_hashed_only_where_it_is_personal_itself(
    tmp_path: Path, given: str, kept: bool
) -> None:
    """UUIDs and counters stay as they are; addresses, phone numbers and keys do not."""
    found = rest(tmp_path / "home", trace(session_id=given, trace_id=given), tmp_path)
    assert (found.session_id == given) is kept
    assert found.trace_id == found.session_id


def test_a_label_is_cleaned_by_its_traces_application(tmp_path: Path) -> None:
    """Where the application is unknown the note is cleaned of all kinds, gold of the common."""
    door = PrivacyFilter.load(Lake(tmp_path / "home").open(), catalog(tmp_path))
    label = Label("t-1", "tone", "ada@example.com", "bob@example.com", "human", "ada@example.com")
    shop, forum, unknown = (door.filter_label(label, app) for app in ("shop", "forum", None))
    assert shop
    assert forum
    assert unknown
    assert "@" not in shop.verdict + shop.critique + shop.annotator
    assert forum.verdict == forum.critique == "ada@example.com"
    assert "@" not in unknown.critique
    assert unknown.verdict == "ada@example.com"
    assert shop.annotator == forum.annotator == unknown.annotator


def test_what_is_shown_of_a_refused_row_is_not_the_row(tmp_path: Path) -> None:
    """Its bytes rest in the restricted room alone; the reason and the id say nothing personal."""
    lake = Lake(tmp_path / "home").open()
    file = tmp_path / "day.jsonl"
    rows = [
        {"trace_id": "t-1", "ts": "CANARY", "app": "shop", "input": "", "output": ""},
        {"trace_id": "ada@example.com", "ts": "2026-10-01", "app": "CANARY !", "output": ""},
    ]
    twice = '{"trace_id": "t-3", "CANARY": 1, "CANARY": 2}'
    file.write_text("\n".join([*map(json.dumps, rows), twice, "CANARY"]))
    import_file(lake, catalog(tmp_path), file)
    refused = read_refusals(lake)
    assert len(refused) == 4
    assert all(b"CANARY" in row.raw for row in refused)
    shown = " ".join(f"{row.reason} {row.trace_id} {row.source_file}" for row in refused)
    assert "CANARY" not in shown
    assert "@" not in shown
    for path in (lake.home / "quarantine", lake.home / "inbox"):
        assert path.stat().st_mode & 0o777 == 0o700
    (kept,) = (lake.home / "quarantine" / "files").glob("*.parquet")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_the_forgotten_are_not_taken_in_again(tmp_path: Path) -> None:
    """A trace with a tombstone, and a user's traces up to the moment, are refused without bytes."""
    lake = Lake(tmp_path / "home").open()
    door = PrivacyFilter.load(lake, catalog(tmp_path))
    until = datetime(2026, 10, 1, 12, tzinfo=UTC)
    dead = [redaction.hash_tombstone(door.key, "t-9")]
    add_forgotten(lake, dead, [door.hash_user("bob") or ""], until)
    add_closed_nights(lake, [date(2026, 9, 1)])
    door = PrivacyFilter.load(lake, catalog(tmp_path))
    old = datetime(2026, 9, 1, 9, tzinfo=UTC)
    later = until.replace(hour=13)
    said = [
        door.filter_trace(trace(trace_id="t-9")),
        door.filter_trace(trace(user_id="bob")),
        door.filter_trace(trace(ts=old)),
        door.filter_trace(trace(user_id="bob", ts=later)),
    ]
    codes = [row.code if isinstance(row, Refusal) else "" for row in said]
    assert codes == ["forgotten", "forgotten", "expired", ""]
    assert all(row.raw == b"" for row in said if isinstance(row, Refusal))
    assert door.filter_label(Label("t-9", "tone", "good", "bob", "human"), "shop") is None
