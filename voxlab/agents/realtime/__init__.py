"""The agent on one connection in OpenAI's Realtime protocol."""
