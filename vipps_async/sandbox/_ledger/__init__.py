"""What payments are and what becomes of them: states, money, events, and the codes of what is refused."""
