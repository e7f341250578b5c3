"""Damaged homes: what is derived is made again at the start of a run, and all files are checked.

How a damaged file is detected, and what its loss means, is `storage`'s.
"""
