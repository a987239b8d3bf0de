"""Session plan, statistics, records, and what is read out of them."""
