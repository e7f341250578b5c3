"""Worlds of nights, and how the board's alarms keep their promises in them."""
