"""Reads trace files of other systems as canonical traces; the content decides the format."""
