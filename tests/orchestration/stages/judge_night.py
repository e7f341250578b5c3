"""Runs the judges of one night as Dagster does, and prints the outcome of their checks as JSON.

Runs in its own process, since definitions read their home.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from evals.records import Trace
from evals.storage.lake import Lake
from evals.storage.night_state import read_state
from tests.catalog_files import write_catalog
from tests.evals.models.model_server import ServerReply, build_completion, serve_script

NIGHT = datetime(2026, 10, 1, 12, tzinfo=UTC)
ENDS = {"soon": 20, "later": 60, "far": 120}
"""Pins by the days until their end, counted from today."""
WEIGHTS = b"weights as they are"


def answer_call(body: dict[str, Any], _: int) -> ServerReply:
    """Passes; one model answers under another name."""
    text = '{"critique": "c", "verdict": "pass"}'
    other = {"model": "m-9"} if body["model"] == "other-2026-01-01" else {}
    return ServerReply(200, build_completion(body, text, **other))


def declare_judges(root: Path, url: str) -> None:
    """Writes a catalog with one judge per pin."""
    today = datetime.now(UTC).date()
    served: dict[str, Any] = {
        name: {"model": f"{name}-2026-01-01", "base_url": url, "expires": today + timedelta(days)}
        for name, days in ENDS.items()
    }
    served["dead"] = {"model": "dead-2026-01-01", "base_url": "http://127.0.0.1:9/v1"}
    served["other"] = {"model": "other-2026-01-01", "base_url": url}
    package = root.parent / "packages" / "some_judge_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "w.gguf").write_bytes(WEIGHTS)
    sys.path.append(str(package.parent))
    digest = hashlib.sha256(b"weights as they were pinned").hexdigest()
    weights = {"provider": "embedded", "model": "w.gguf", "package": package.name, "sha256": digest}
    served["weights"] = weights
    files: dict[str, Any] = {
        "models.yaml": served,
        "apps/chat.yaml": {"app": "chat", "suite": "chat"},
        "suites/chat.yaml": {
            "suite": "chat",
            "dimensions": [
                {"dimension": f"by-{name}", "question": "Kind?", "check": {"judge": name}}
                for name in served
            ],
        },
        **{
            f"judges/{name}.yaml": {"judge": name, "asks": "Kind", "model": name, "system": "J."}
            for name in served
        },
    }
    write_catalog(root, files)


def main() -> None:
    """Scores two traces with every judge."""
    home = Path(os.environ["ANDON_HOME"])
    with serve_script(answer_call) as server, dg.DagsterInstance.ephemeral() as instance:
        declare_judges(Path(os.environ["ANDON_CATALOG"]), server.url)
        lake = Lake(home).open()
        traces = [Trace(f"t{n}", NIGHT, "chat", f"answer {n}") for n in range(2)]
        lake.write("traces", NIGHT.date(), traces)
        from orchestration.definitions import defs
        from orchestration.stages.evaluate import build_asset_key

        names = [*ENDS, "other", "weights", "dead"]
        ran = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            partition_key=NIGHT.date().isoformat(),
            asset_selection=[build_asset_key(name) for name in names],
        )
        evaluations = ran.get_asset_check_evaluations()
        answered = {
            check.asset_key.path[-1]: (check.passed, check.metadata["reason"].value)
            for check in evaluations
            if check.check_name == "answered"
        }
        checks = {
            check.asset_key.path[-1]: {
                "passed": check.passed,
                "severity": check.severity.value,
                **{key: value.value for key, value in check.metadata.items()},
            }
            for check in evaluations
            if check.check_name == "pin"
        }
    codes = {row.evaluator: row.verdict or row.code for row in lake.read("scores")}
    asked = len(server.bodies)
    begun = list(read_state(lake, NIGHT.date()).labels) == [ran.run_id]
    result = {"checks": checks, "answered": answered, "codes": codes, "asked": asked}
    result["begun"] = begun
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
