"""Webhooks: registrations, and the deliveries to them."""
