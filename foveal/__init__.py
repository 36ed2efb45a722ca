"""An agent that looks again."""
