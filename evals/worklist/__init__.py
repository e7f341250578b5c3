"""What an evaluator has to do in a night: its sample, its canaries, the answers it lacks."""
