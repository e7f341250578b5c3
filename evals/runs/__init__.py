"""Scoring of nights: the runner, the plan, and the evaluator versions each night is locked to."""
