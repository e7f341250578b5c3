"""How a home moves to a newer schema version: a module a step, in order, each repeatable.

What a version looks like is in the rooms above; here is only what differs from the one before.
"""
