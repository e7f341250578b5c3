"""The audit of a catalog's evaluators: what each earned, and what to change.

`evidence` collects what the last nights show; `findings` concludes. Neither changes anything.
"""
