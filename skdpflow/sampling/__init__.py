"""Synthetic rows: drawn from a model, restricted by conditions and constraints, decoded to a container."""
