"""Checks staged rows against the catalog's expectations; publishes or quarantines them."""
