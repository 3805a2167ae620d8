"""The one training loop and what it feeds on: a corpus, equal-size batches, simulated observations."""
