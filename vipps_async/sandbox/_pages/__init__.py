"""The pages for people: the frame, the feed, QR codes."""
