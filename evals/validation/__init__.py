"""Staged rows checked by the catalog's expectations: published as traces, or quarantined."""
