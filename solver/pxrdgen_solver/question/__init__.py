"""What is asked: a pattern, a composition, a cell in any setting."""
