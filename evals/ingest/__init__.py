"""Imports files once each: rows are redacted, staged by night, and merged into traces.

File formats are in `traces`; which rows are valid is decided in `validation`.
"""
