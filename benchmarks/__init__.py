"""Claims, each a script with its result file."""
