"""What belongs to one event loop, and what a loop in a thread of its own needs."""
