"""OpenAI, and every server with its interface."""

from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS, openai

__all__ = ["OpenAILLM", "OpenAISTT", "OpenAITTS", "openai"]
