"""What is personal: found, redacted, hashed. Reaching what already rests is `erasure`."""
