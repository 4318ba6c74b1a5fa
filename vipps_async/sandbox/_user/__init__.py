"""What the user of the app does, discloses, and is asked."""
