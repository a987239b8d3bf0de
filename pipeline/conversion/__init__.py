"""What `secateur convert` does: one model's files, certified, measured, and one of them kept."""
