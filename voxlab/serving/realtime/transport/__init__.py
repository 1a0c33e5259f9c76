"""How events travel: sockets, HTTP, TLS, keys, memory."""
