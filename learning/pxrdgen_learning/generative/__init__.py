"""Generative modelling in Euclidean space: paths between noise and data, and samplers that follow them back."""
