"""Pages a person reads, each one file of HTML: the board, and a night of an application.

Turns reports into words, geometry and markup. Computes no rate, interval or verdict.
"""
