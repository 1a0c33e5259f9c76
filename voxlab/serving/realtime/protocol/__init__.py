"""What events say: client events, session settings, dialects, audio formats."""
