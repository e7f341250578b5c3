"""Data deleted from a home: a person's on request, old data by retention."""
