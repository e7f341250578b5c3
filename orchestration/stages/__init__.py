"""The eight stages of the nightly pipeline, one Dagster module each."""
