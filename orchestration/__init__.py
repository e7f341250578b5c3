"""When and where things run; knows nothing of what a score means."""
