"""Regression cases: production failures that evaluators and candidates are run on.

The file format is `specs.cases`'; the gate of a night is `reports`'.
"""
