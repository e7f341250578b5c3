"""What quality means: evaluators, the ledger, statistics and reports, in plain Python.

Nothing here knows when or where it runs; that is `orchestration`.
"""
