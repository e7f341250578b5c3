"""Pinned models behind one client protocol: what is asked, what comes back, what it costs.

Every failure leaves here as a ModelError with a stable code; retries across runs are `run`'s.
"""

from evals.models.api import OpenAIClient
from evals.models.api_shapes import p_yes, shape_of
from evals.models.clients import open_client, unavailable_because
from evals.models.embedded import weights
from evals.models.expiry import Expiry, expiring, expiry, keep_fresh, known_lists, refresh
from evals.models.faults import FAULTS
from evals.models.prices import cost
from evals.models.protocol import Client, Key, Limits, ModelError, Reply, Request, Unavailable

__all__ = [
    "FAULTS", "Client", "Expiry", "Key", "Limits", "ModelError", "OpenAIClient", "Reply",
    "Request", "Unavailable", "cost", "expiring", "expiry", "keep_fresh", "known_lists",
    "open_client", "p_yes", "refresh", "shape_of", "unavailable_because", "weights",
]  # fmt: skip
