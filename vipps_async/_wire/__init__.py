"""What a document is on the wire: JSON, models, times, URLs, secrets."""
