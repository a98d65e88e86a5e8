"""Once-for-All's tables (Cai et al., ICLR 2020, https://arxiv.org/abs/1908.09791).

Milliseconds, a file for each resolution; read as the authors' ``ofa/tutorial/latency_table.py``
does: ``expand`` is a block's hidden channels, ``hs`` says hard-swish instead of ReLU.
"""

from hwnas.published_tables import _conversion
from hwnas.published_tables._entries import Entry


def _block(entry: Entry) -> _conversion.Layers:
    entry.check_options("expand", "kernel", "stride", "idskip", "se", "hs")
    hidden, hard_swish = entry.options["expand"], entry.flag("hs")
    return _conversion.block(entry, hidden_channels=hidden, hard_swish=hard_swish)


KINDS = {
    "Conv": _conversion.stem,
    "expanded_conv": _block,
    "Conv_1": _conversion.last_convolution,
    "AvgPool2D": _conversion.pool,
    "Conv_2": _conversion.features,
    "Logits": _conversion.classifier,
}
