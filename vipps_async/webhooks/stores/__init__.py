"""Stores, in which a receiver remembers which events have taken effect: one module each, imported by who uses it."""
