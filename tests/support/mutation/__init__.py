"""Mutates the modules that decide over money, one change at a time, and counts the changes that no test notices."""
