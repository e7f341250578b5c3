"""The small documents of a home: a module a kind, each with its record, reader and writer.

What a document's contents mean is decided by the packages that read and write them.
"""
