"""Faults: their effects, the rules by which they are injected, and the plan that injects them."""
