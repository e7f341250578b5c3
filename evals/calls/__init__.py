"""Calls to models: in which order, how many at once, at what price.

`worklist` decides what is asked; the evaluators decide what an answer means.
"""
