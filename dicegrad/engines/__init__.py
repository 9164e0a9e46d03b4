"""Other engines than our own network: the same stages, done by somebody else's code."""
