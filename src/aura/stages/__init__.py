"""One stage per block; the same request writes the same bytes again."""
