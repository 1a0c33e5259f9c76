"""The agent that is a pipeline: VAD, speech to text, language model, text to speech."""
