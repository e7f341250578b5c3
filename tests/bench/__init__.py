"""Benchmarks: each prints a ratio against a bound or a peer measured in the same run."""
