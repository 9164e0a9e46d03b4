"""Cases and their tables, the adapters that find them, phantoms, and downloads."""
