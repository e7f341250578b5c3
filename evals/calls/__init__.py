"""Calls to models: in which order, how many at once, at what price.

`worklist` chooses the questions; the evaluators interpret the answers.
"""
