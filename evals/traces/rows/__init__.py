"""Rows of any shape under the canonical fields of a trace."""
