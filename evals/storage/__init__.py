"""A team's data at rest under one home folder: tables, the ledger, small documents.

Nothing here knows what a score means.
"""
