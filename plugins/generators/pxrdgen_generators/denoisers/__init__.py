"""Networks that estimate, from a noisy arrangement, the displacement that made it noisy."""
