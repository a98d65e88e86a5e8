"""NSGANetV2's tables (Lu et al., ECCV 2020, https://arxiv.org/abs/2007.10396).

Milliseconds, Once-for-All's networks at width 1.0 and 1.2; read as the authors'
``look_up_latency`` does: ``expand`` is a block's expansion ratio, and the figure of the last
convolution holds the pooling too. Activations are not in the names; they follow from the stage of
the network, which the channels out tell.
"""

from hwnas.published_tables import _conversion
from hwnas.published_tables._entries import Entry

_RELU = {16, 24, 32, 40, 48}
_HARD_SWISH = {80, 96, 112, 136, 160, 192}


def _block(entry: Entry) -> _conversion.Layers:
    entry.check_options("expand", "kernel", "stride", "idskip", "se")
    if entry.out_channels not in _RELU | _HARD_SWISH:
        raise entry.fault(
            f"has {entry.out_channels} channels out, of which no stage of Once-for-All's networks "
            "at width 1.0 or 1.2 tells the activation"
        )
    return _conversion.block(
        entry,
        hidden_channels=entry.in_channels * entry.options["expand"],
        hard_swish=entry.out_channels in _HARD_SWISH,
    )


KINDS = {
    "first_conv": _conversion.stem,
    "MBConv": _block,
    "final_expand_layer": _conversion.last_convolution_and_pool,
    "feature_mix_layer": _conversion.features,
    "classifier": _conversion.classifier,
}
