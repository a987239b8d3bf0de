"""Structured pruning: labels, families, criteria, plan, rewrite, certificate."""
