"""Providers of speech recognition, language models and speech synthesis."""
