"""Pinned models behind one client protocol: what is asked, what comes back, what it costs.

Every failure leaves here as a ModelError with a stable code; retries across runs are `run`'s.
"""

from evals.models.api import OpenAIClient, from_status, p_yes
from evals.models.embedded import weights
from evals.models.opening import open_client
from evals.models.pins import unavailable_because
from evals.models.prices import cost
from evals.models.protocol import Client, Limits, ModelError, Reply, Request, Unavailable

__all__ = [
    "Client", "Limits", "ModelError", "OpenAIClient", "Reply", "Request", "Unavailable", "cost",
    "from_status", "open_client", "p_yes", "unavailable_because", "weights",
]  # fmt: skip
