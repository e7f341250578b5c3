"""Chat messages, requests and responses of any provider in one shape."""
