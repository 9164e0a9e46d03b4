"""Engines other than our own network: the same stages, done by another package."""
