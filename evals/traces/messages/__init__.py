"""Reads chat messages, requests and responses of any provider in one shape."""
