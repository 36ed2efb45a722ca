"""The Model Context Protocol's door: the agent and its specialists as typed tools for any MCP client."""
