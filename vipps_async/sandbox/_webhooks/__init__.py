"""Who is told of events, and how deliveries reach them."""
