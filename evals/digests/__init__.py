"""The digest: a message about each night of each application, and where it is sent.

Verdicts and figures are read from stored reports; nothing is evaluated here.
"""
