"""The HTTP door: the agent behind the interface that OpenAI's clients speak. It has no logic of its own."""
