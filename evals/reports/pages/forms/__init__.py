"""Texts of traces in the form a person reads best: one module for each kind of text.

What a whole trace looks like is in `pages.natural_form`.
"""
