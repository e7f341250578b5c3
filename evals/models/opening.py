"""A client for a pin: where its server is, with which key.

The clients themselves are told elsewhere.
"""

from __future__ import annotations

import os

from evals.models.api import OpenAIClient
from evals.models.embedded import serve, weights
from evals.models.pins import unavailable_because
from evals.models.protocol import Client, Unavailable
from evals.specs import ModelPin


def open_client(pin: ModelPin) -> Client:
    """A client for a pin.

    Raises:
        Unavailable: when the model cannot be asked on this machine.
    """
    reason = unavailable_because(pin)
    if reason == "no-model":
        raise Unavailable(reason, f"{pin.name}: install the extra `andon[model]` and its weights")
    if reason == "no-key":
        raise Unavailable(reason, f"{pin.name}: set {pin.api_key_env}")
    if pin.provider == "embedded":
        return OpenAIClient(pin, serve(weights(pin), pin.model), "none")
    return OpenAIClient(pin, pin.base_url, os.environ.get(pin.api_key_env, "none"))
