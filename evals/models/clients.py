"""A client for a pin: whether it can be asked on this machine, where its server is, which key.

The clients themselves are told elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping

from evals.models.api import OpenAIClient
from evals.models.embedded import serve, weights
from evals.models.protocol import Client, Key, Unavailable
from evals.specs import ModelPin


def unavailable_because(pin: ModelPin, environment: Mapping[str, str] = os.environ) -> str | None:
    """Why a model cannot be asked on this machine, as a stable word; None when it can."""
    if pin.provider == "embedded":
        missing = [p for p in ("xllamacpp", pin.package or "") if not importlib.util.find_spec(p)]
        return "no-model" if missing else None
    variable = pin.key_variable
    return "no-key" if variable and not environment.get(variable, "").strip() else None


def open_client(pin: ModelPin) -> Client:
    """A client for a pin.

    Raises:
        Unavailable: when the model cannot be asked on this machine.
    """
    reason = unavailable_because(pin)
    if reason == "no-model":
        raise Unavailable(reason, f"{pin.name}: install the extra `andon[model]` and its weights")
    if reason == "no-key":
        raise Unavailable(reason, f"{pin.name}: set {pin.key_variable}")
    if pin.provider == "embedded":
        return OpenAIClient(pin, serve(weights(pin), pin.model), Key(None))
    return OpenAIClient(pin, pin.base_url, key_of(pin))


def key_of(pin: ModelPin) -> Key:
    """The pin's key, as its variable holds it.

    Raises:
        Unavailable: when it could not stand in a header, which would print it in an error.
    """
    if pin.key_variable is None:
        return Key(None)
    if not os.environ[pin.key_variable].strip().isprintable():
        raise Unavailable("no-key", f"{pin.name}: {pin.key_variable} holds more than one line")
    return Key(os.environ[pin.key_variable].strip())
