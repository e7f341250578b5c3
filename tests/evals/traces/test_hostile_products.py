"""Hostile values in every product's shape: a trace or a refusal, and the one beside is read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.records import Label, NonAnswer, Refusal, Trace
from evals.traces import reader
from tests.evals.traces.exchange import Exchange
from tests.evals.traces.hostile import TEXTS
from tests.evals.traces.products import PRODUCTS

MARK = "a-user-to-be-replaced"
GOOD = Exchange(
    trace_id="0" * 31 + "1", app="shop", session="s", user="u", system="Be brief.",
    question="Where?", answer="In Bonn.", tool=None,
    model_requested="gpt-a", model="gpt-a-2026-01-01",
    tokens_in=7, tokens_out=2, cost=0.001, start=datetime(2026, 10, 1, 12, tzinfo=UTC),
    took_ms=900, tags=("beta",),
)  # fmt: skip
BAD = GOOD._replace(trace_id="0" * 31 + "2", user=MARK)
HOSTILE = TEXTS | {
    "half a pair": '"\\ud800"',
    "null byte": '"\\u0000"',
    "a path": '"../../etc/passwd"',
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_harms_nothing_but_its_own_trace(
    tmp_path: Path, name: str, value: str
) -> None:
    """It is read as data or refused with a sentence; the good trace before it is whole."""
    product = PRODUCTS[name]
    bad = product.write(BAD).replace(f'"{MARK}"', HOSTILE[value])
    assert MARK not in bad
    path = tmp_path / product.file
    path.write_text(f"{product.write(GOOD)}\n{bad}\n", "utf-8")
    app = GOOD.app if "app" in product.missing else None
    found = list(reader.read_file(path, mappings={}, app=app))
    assert all(isinstance(item, Trace | Refusal | Label | NonAnswer) for item in found)
    traces = {one.trace_id[-36:].replace("-", "")[-32:]: one for one in found
              if isinstance(one, Trace)}  # fmt: skip
    good = traces[GOOD.trace_id]
    assert (good.output, good.user_id, good.tokens_in) == ("In Bonn.", "u", 7)
    refused = [one for one in found if isinstance(one, Refusal)]
    assert BAD.trace_id in traces or refused
    assert all(one.code and one.reason.endswith(".") for one in refused)


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "phoenix"])
def test_a_million_attributes_are_one_trace_or_one_refusal(tmp_path: Path, name: str) -> None:
    """In seconds, and the trace before is whole; Phoenix's, flattened one by one, take the same."""
    many = "{" + ",".join(f'"k{n}":{n % 9}' for n in range(10**6)) + "}"
    product = PRODUCTS[name]
    path = tmp_path / product.file
    bad = product.write(BAD).replace(f'"{MARK}"', many)
    path.write_text(f"{product.write(GOOD)}\n{bad}\n", "utf-8")
    app = GOOD.app if "app" in product.missing else None
    items = reader.read_file(path, mappings={}, app=app)
    good, other = (it for it in items if not isinstance(it, Label))
    assert isinstance(good, Trace)
    assert good.output == "In Bonn."
    assert isinstance(other, Trace) or other.reason.endswith(".")
