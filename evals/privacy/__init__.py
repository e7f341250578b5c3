"""Detection, redaction and hashing of personal data. Erasing stored data is `erasure`'s."""
