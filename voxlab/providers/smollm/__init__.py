"""SmolLM2-135M on this machine: a neural language model without network, key or graphics card.

`tokenizer` cuts text into tokens, `prompt` makes a conversation one text, `decoder` runs the
network with its key-value cache, `adapter` reads what training has changed, `grammar` tells which
tokens a tool call may have, `writing` chooses tokens, `caches` keeps conversations apart, and
`language_model` is the provider.
"""
