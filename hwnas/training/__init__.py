"""Data, supernet training, evaluation of subnets, and fine-tuning."""
