"""Servers: the agents' counterparts on this machine, and the agents behind a socket."""
