"""Where a receiver remembers which events have taken effect: one module a store, imported only by who uses it."""
