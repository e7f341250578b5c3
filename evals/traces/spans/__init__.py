"""Spans of any convention brought together as traces with their steps."""
