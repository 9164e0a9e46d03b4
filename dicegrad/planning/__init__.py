"""A study of data that nobody has described yet: from a folder to its three files."""
