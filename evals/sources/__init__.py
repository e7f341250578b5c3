"""Where traces come from beyond a folder: other systems' APIs, and object stores.

What is in the files that land is the importers' to say.
"""
