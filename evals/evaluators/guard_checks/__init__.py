"""Checks for guardrails that need no right answer: what an output contains, copies or makes up.

Personal data, secrets and languages are in `text_checks`; what follows from a check is a policy's.
"""
