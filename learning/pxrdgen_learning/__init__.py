"""Learned components: data, training, generative paths, weights."""
