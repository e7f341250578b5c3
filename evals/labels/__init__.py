"""Labels from people and others: their files, the review queue, and the alignment of judges."""
