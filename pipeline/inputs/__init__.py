"""What a model takes, one tensor or several, and samples of it: every stage asks here."""
