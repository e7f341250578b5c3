"""From an export to a first catalog: what its columns are, and what is worth checking.

Writes files once, for a person to edit; nothing here runs at night.
"""
