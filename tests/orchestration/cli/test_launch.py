"""What a run that failed prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.cli.launch import describe_cause


@pytest.mark.filterwarnings("ignore")  # Dagster's own, while it is imported
def test_a_damaged_file_is_named_with_its_remedy() -> None:
    """The sentence about the file is printed, not the parser's error behind it."""
    from dagster._utils.error import serializable_error_info_from_exc_info

    from evals.storage.errors import DamagedFileError

    words = "/home/x.json is damaged: labels are lost; restore it from a backup"
    try:
        try:
            raise ValueError("Expecting value: line 1 column 1 (char 0)")
        except ValueError as error:
            raise DamagedFileError(Path("/home/x.json"), words) from error
    except DamagedFileError as error:
        info = (type(error), error, error.__traceback__)
        assert describe_cause(serializable_error_info_from_exc_info(info)) == words
