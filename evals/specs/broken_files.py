"""What can still be read of a broken file of the catalog: whose applications it stops."""

from __future__ import annotations

from pydantic import ValidationError

from evals.records import Json
from evals.specs.apps import App


def guarded_apps(raw: Json) -> list[str] | None:
    """Returns the applications that a broken guardrail or slice names; None: all."""
    apps = raw.get("apps") if isinstance(raw, dict) else None
    return texts_of(apps) if isinstance(apps, list) else None


def texts_of(values: list[Json]) -> list[str] | None:
    """Returns a list of texts; None where it is empty or contains something else."""
    texts = [value for value in values if isinstance(value, str)]
    return texts if texts and len(texts) == len(values) else None


def validated_apps(raw: Json) -> list[str] | None:
    """Returns the applications that the expectations of a broken file name; None: all."""
    expectations = raw.get("expectations") if isinstance(raw, dict) else None
    if not isinstance(expectations, list) or not expectations:
        return None
    each = [guarded_apps(one) for one in expectations]
    return None if None in each else [app for apps in each for app in apps or ()]


def pulled_apps(raw: Json) -> list[str] | None:
    """Returns the applications whose traces a broken source pulls; None: possibly any."""
    if not isinstance(raw, dict):
        return None
    projects, app = raw.get("projects"), raw.get("app")
    named = list(projects.values()) if isinstance(projects, dict) else []
    return texts_of([*named, app] if app else named)


def redacted_kinds(raw: Json) -> tuple[str, ...] | None:
    """Returns the kinds of personal data a broken application redacts, if they can be read."""
    if not isinstance(raw, dict):
        return None
    own = {"redact": raw["redact"]} if "redact" in raw else {}
    try:
        return App.model_validate({"app": "broken", **own}).redact
    except ValidationError:
        return None
