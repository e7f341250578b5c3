"""Where a team's data rests under one home folder: tables, the ledger of paid answers, small documents.

Nothing here knows what a score means.
"""
