"""What goes wrong: the courses that faults take, the orders for them, and who suffers which."""
