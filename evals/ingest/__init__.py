"""The door: exports in, each file once, each row accounted for, only valid ones through.

Formats are `importers`', evaluation everyone else's.
"""
