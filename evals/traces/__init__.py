"""Trace files of other systems as canonical traces, each format found by content."""
