"""The solve loop: the one that the product and every benchmark run."""
