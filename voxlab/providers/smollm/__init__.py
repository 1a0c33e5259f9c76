"""SmolLM2-135M on this machine: a neural language model without network, key or graphics card.

`prompt` is the text that the model continues.
"""
