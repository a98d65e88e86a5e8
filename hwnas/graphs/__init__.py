"""Graph writers: layers and their weights as the bytes of a model file, one format a file."""
