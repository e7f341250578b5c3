"""Figures of the evaluators on data that others labelled: `make measure`.

One module a table, each with a function `measure` that yields its rows; `__main__` lists them. A
table whose data are absent yields none.
"""
