"""What the agent adds to an inference: nothing that could be seen."""
