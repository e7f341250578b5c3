"""Labels from people and others: stored, queued for, and used to align judges."""
