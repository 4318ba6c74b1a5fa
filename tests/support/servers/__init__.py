"""Servers that tests start for themselves: private, on a free port, gone afterwards."""
