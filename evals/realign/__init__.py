"""Candidates for judges, made from people's labels: composed, measured, compared, promoted."""
