"""Pinned models behind one client protocol: requests, replies, prices and expiry dates.

Every failure is raised as a ModelError with a stable code. Retries, concurrency and budgets
belong to `evals.calls`.
"""

from evals.models.api import OpenAIClient
from evals.models.api_shapes import LIMITED_SERVERS, choose_shape
from evals.models.clients import open_client, why_unavailable
from evals.models.embedded import find_weights
from evals.models.expiry import (
    Expiry,
    find_expiry,
    list_expiring,
    read_model_lists,
    refresh_model_list_daily,
    refresh_model_lists,
)
from evals.models.faults import ASKED_AGAIN, FAULTS, WITHOUT_LIMIT
from evals.models.prices import compute_cost
from evals.models.probabilities import compute_p_yes
from evals.models.protocol import Client, Key, Limits, ModelError, Reply, Request, Unavailable

__all__ = [
    "ASKED_AGAIN",
    "FAULTS",
    "LIMITED_SERVERS",
    "WITHOUT_LIMIT",
    "Client",
    "Expiry",
    "Key",
    "Limits",
    "ModelError",
    "OpenAIClient",
    "Reply",
    "Request",
    "Unavailable",
    "choose_shape",
    "compute_cost",
    "compute_p_yes",
    "find_expiry",
    "find_weights",
    "list_expiring",
    "open_client",
    "read_model_lists",
    "refresh_model_list_daily",
    "refresh_model_lists",
    "why_unavailable",
]  # fmt: skip
