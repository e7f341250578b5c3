"""The command `andon` as it is installed: makes sure that Andon's own packages are imported.

The commands themselves are in `orchestration.cli`.
"""

import importlib.util
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("evals", "orchestration")
"""Names that a person's own folders may have too."""
USAGE = 2


def find_other(package: str) -> Path | None:
    """Finds what would be imported in place of a package of Andon; None where nothing would."""
    spec = importlib.util.find_spec(package)
    origin = spec.origin if spec else None
    if origin is None or Path(origin).resolve().is_relative_to(ROOT / package):
        return None
    return Path(origin)


def run() -> NoReturn:
    """Runs the command line; exits 2 where other packages have the names of Andon's."""
    for package in PACKAGES:
        if other := find_other(package):
            sys.stderr.write(  # noqa: TID251  nothing of ours can be imported
                f"andon: {other} would be imported in place of Andon's own `{package}`; take its "
                "folder out of PYTHONPATH, or run `env -u PYTHONPATH andon …`\n"
            )
            sys.exit(USAGE)
    from orchestration.cli import entry

    entry.run()
