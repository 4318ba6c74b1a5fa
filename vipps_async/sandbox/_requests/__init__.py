"""What a request must look like and what its fields may say together, as tables; and the bodies read by them."""
