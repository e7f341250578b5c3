"""Slices that nobody declared: groups of one or two attributes that fail more than the rest.

Which of them a report shows, and at which level they are confirmed, is decided in `reports`.
"""
