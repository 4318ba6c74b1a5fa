"""The Recurring API of the sandbox."""
