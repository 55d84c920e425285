"""Ways to run a solution, in one process or many; equal results."""
