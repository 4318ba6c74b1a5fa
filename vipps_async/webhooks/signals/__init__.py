"""How processes tell each other of the events that they receive: one module a signal, imported only by who uses it."""
