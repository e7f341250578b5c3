"""Where traces come from beyond a folder: the APIs of other systems, and object stores.

What the fetched files contain is read in `evals.traces`.
"""
