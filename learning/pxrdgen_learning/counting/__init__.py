"""What is counted in the training split: the tables that symmetry-driven proposals and rankings go by."""
