"""Evaluations beside production: attacks on a judge, the demo's recording."""
