"""Trace files of other systems as canonical traces: one module a format, found by content, streamed."""
