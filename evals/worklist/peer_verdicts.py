"""Verdicts of the same night on which an evaluator depends, and the worklist of a panel.

Which evaluators depend on which is `evals.evaluators.peers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import prod
from typing import NamedTuple

from evals.records import Verdict, encode_canonical
from evals.specs import Evaluator
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.worklist.night_contents import hash_content
from evals.worklist.sampling import SampleSeat

COLUMNS = ("trace_id", "verdict", "inclusion")
FLAGGED = "flagged"
"""The stratum of the traces that a peer failed."""


class PeerVerdict(NamedTuple):
    """What a peer concluded of a trace."""

    verdict: Verdict | None
    """None: an error, or skipped."""
    inclusion: float


def read_peers(lake: Lake, night: date, evaluator: Evaluator) -> dict[str, dict[str, PeerVerdict]]:
    """Reads the verdicts of an evaluator's peers, by dimension and trace."""
    found: dict[str, dict[str, PeerVerdict]] = {}
    for dimension, name in evaluator.peers.items():
        path = lake.locate_partition("scores", night) / f"{name}.parquet"
        found[dimension] = {
            row["trace_id"]: PeerVerdict(row["verdict"], row["inclusion"])
            for rows in (stream_rows(path, COLUMNS) if path.exists() else ())
            for row in rows
        }
    return found


def read_flagged(lake: Lake, night: date, evaluator: Evaluator) -> dict[str, str]:
    """Reads the stratum of each trace that the peer of an evaluator's sample failed."""
    flagged = evaluator.sample.flagged
    peers = read_peers(lake, night, evaluator) if flagged else {}
    verdicts = peers.get(flagged.by, {}) if flagged else {}
    return {name: FLAGGED for name, one in verdicts.items() if one.verdict == "fail"}


def join_verdicts(
    peers: Mapping[str, Mapping[str, PeerVerdict]],
) -> dict[str, dict[str, PeerVerdict]]:
    """Returns the verdicts of each trace that all peers have a row of, by dimension."""
    names = [set(verdicts) for verdicts in peers.values()]
    common = set[str].intersection(*names) if names else set[str]()
    return {
        name: {dimension: verdicts[name] for dimension, verdicts in peers.items()}
        for name in sorted(common)
    }


def seat_panel(
    evaluator: Evaluator, verdicts: Mapping[str, PeerVerdict], order: float
) -> SampleSeat:
    """Returns a trace's seat in the sample of a panel.

    Peers that draw the same traces have it with the smallest of their probabilities; those of
    peers that draw by themselves multiply.
    """
    chances: dict[str, float] = {}
    for name, one in verdicts.items():
        draw = evaluator.peer_draws.get(name) or f"\0{name}"
        chances[draw] = min(one.inclusion, chances.get(draw, 1.0))
    return SampleSeat(order, prod(chances.values()))


def hash_verdicts(verdicts: Mapping[str, PeerVerdict]) -> str:
    """Returns the key of what a panel reads in a trace."""
    return hash_content(encode_canonical({name: one.verdict for name, one in verdicts.items()}))
