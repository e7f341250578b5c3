"""The steps that move a home to a newer schema version: one module each, all repeatable.

The modules above define the current version; a step knows only the difference to the one before.
"""
