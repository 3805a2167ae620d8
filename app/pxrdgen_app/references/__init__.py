"""What to cite."""
