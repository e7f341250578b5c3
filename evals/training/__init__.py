"""Training of classifiers: from whose verdicts, when again, and what a person promotes."""
