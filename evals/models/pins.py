"""What a pin promises, and whether its model can be asked on this machine.

Makes no call.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping

from evals.specs import ModelPin


def unavailable_because(pin: ModelPin, environment: Mapping[str, str] = os.environ) -> str | None:
    """Why a model cannot be asked on this machine, as a stable word; None when it can."""
    if pin.provider == "embedded":
        missing = [p for p in ("xllamacpp", pin.package or "") if not importlib.util.find_spec(p)]
        return "no-model" if missing else None
    if pin.base_url is None and not environment.get(pin.api_key_env):
        return "no-key"
    return None
