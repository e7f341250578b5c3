"""The eight stages of the line, one Dagster module each."""
