"""Opens a client for a pin: checks that the model is available here and reads its key.

The clients themselves are in `api`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping

from evals.models.api import OpenAIClient
from evals.models.embedded import find_weights, start_server
from evals.models.protocol import Key, Unavailable
from evals.specs import ModelPin


def why_unavailable(pin: ModelPin, environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns why a model is unavailable on this machine, as a stable code; None when it is."""
    if pin.provider == "embedded":
        missing = [p for p in ("xllamacpp", pin.package or "") if not importlib.util.find_spec(p)]
        return "no-model" if missing else None
    variable = pin.key_variable
    return "no-key" if variable and not environment.get(variable, "").strip() else None


def open_client(pin: ModelPin) -> OpenAIClient:
    """Opens a client for a pin.

    Raises:
        Unavailable: when the model is unavailable on this machine.
    """
    reason = why_unavailable(pin)
    if reason == "no-model":
        raise Unavailable(reason, f"{pin.name}: install the extra `andon[model]` and its weights")
    if reason == "no-key":
        raise Unavailable(reason, f"{pin.name}: set {pin.key_variable}")
    if pin.provider == "embedded":
        return OpenAIClient(pin, start_server(find_weights(pin), pin.model), Key(None))
    return OpenAIClient(pin, pin.base_url, read_key(pin))


def read_key(pin: ModelPin) -> Key:
    """Reads the pin's key from its environment variable.

    Raises:
        Unavailable: when it is no valid header value: the error about it would print the key.
    """
    if pin.key_variable is None:
        return Key(None)
    if not os.environ[pin.key_variable].strip().isprintable():
        raise Unavailable("no-key", f"{pin.name}: {pin.key_variable} holds more than one line")
    return Key(os.environ[pin.key_variable].strip())
