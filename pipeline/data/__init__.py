"""Data sources, and the three splits that are never mixed."""
