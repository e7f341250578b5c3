"""A night's report: what was measured, what it means, what changed, and the pages that say so.

Figures come from marts and the ledger; nothing here makes a call or scores a trace.
"""
