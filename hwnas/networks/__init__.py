"""Layers as torch modules: static networks, the weight-sharing supernet, batch-norm folding."""
