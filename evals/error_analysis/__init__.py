"""Error analysis: traces read with open notes, notes grouped into failure modes, modes decided on.

Verdicts by criterion are `evals.labels`'; regression cases are `evals.cases`'.
"""
