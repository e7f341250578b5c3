"""Promises of the sampling order: production's never moves, and no two orders are one."""

from __future__ import annotations

import hashlib
import itertools
import typing

from evals.records import Origin, Subject
from evals.worklist.sampling import compute_place


def test_production_traces_keep_their_places() -> None:
    """The order of a night's traces is what it has been: dimension, a NUL, the trace's id."""
    digest = hashlib.blake2b(b"polite\0t1", digest_size=8).digest()
    assert compute_place("t1", "polite") == int.from_bytes(digest, "big") / 2**64


def test_each_subject_and_origin_has_an_order_of_its_own() -> None:
    """A trace that is sampled in production is not therefore sampled as an anchor."""
    kinds = itertools.product(typing.get_args(Subject), typing.get_args(Origin))
    assert len({compute_place("t1", "polite", subject, origin) for subject, origin in kinds}) == 12
