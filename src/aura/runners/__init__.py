"""What runs a solution: the same stages, the same digits, anywhere."""
