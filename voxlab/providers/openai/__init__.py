"""OpenAI, and every server with its interface."""
