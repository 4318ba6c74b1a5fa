"""Documents on the wire: JSON, models, times, URLs, secrets, and the rules of their fields."""
