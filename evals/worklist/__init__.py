"""What an evaluator has to do in a night: its sample, its canaries, what must be asked."""
