"""What goes wrong: the courses that faults take, the rules for them, and who suffers which."""
