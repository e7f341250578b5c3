"""One module a format of trace files: how its rows become canonical traces."""
