"""Objects of one event loop, and a loop in a thread of its own."""
