"""A night's report: its measurements, verdicts and changes, and the pages that show them.

Figures come from marts and the ledger; nothing here makes a call or scores a trace.
"""
