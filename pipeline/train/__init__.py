"""The training loop, distillation, fine-tuning, and the user's own training command."""
