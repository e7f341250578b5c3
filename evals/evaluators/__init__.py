"""What judges a trace: assertions, references, judges and guardrails behind one protocol."""
