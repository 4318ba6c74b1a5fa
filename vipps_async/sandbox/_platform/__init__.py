"""Whether a call is let through: keys and tokens, repeated keys, and how often is too often."""
