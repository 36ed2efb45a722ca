"""Models behind an OpenAI-compatible server: actions as tool calls, the history append-only."""
