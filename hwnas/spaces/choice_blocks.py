"""Chains of positions, each of which holds one of a few blocks or nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwnas import files
from hwnas.catalog import IntArray, LayerCatalog
from hwnas.errors import InputError, UnknownNameError
from hwnas.layers import LayerSpec
from hwnas.protocols import SearchSpace
from hwnas.spaces._choice_blocks_definition import Definition, check
from hwnas.spaces._choice_blocks_slots import slots_of


class ChoiceBlocksSpace:
    """A search space of positions with choices.

    A gene is an index into its choices: first the resolution where there are several, then
    position by position what it holds. All genes have an effect. Networks that leave out
    different positions of a stage may be the same layers: they are kept apart, as are the weights
    that they take from a supernet, and as published tables of such spaces do.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._positions = sum(stage.depth for stage in definition.stages)
        several = len(definition.resolutions) > 1
        of_positions = [len(definition.choices)] * self._positions
        self._several = several
        self.cardinalities = np.array(
            [*[len(definition.resolutions)] * several, *of_positions], dtype=np.int64
        )
        slots = slots_of(definition)
        self._slot_layers = tuple(slot.largest for slot in slots)
        self._catalog = LayerCatalog(
            layer for slot in slots for layers in slot.layers for layer in layers
        )
        # a slot without a choice holds the same layer whatever the first position's gene says
        self._gene_of_slot = np.array([several + (slot.position or 0) for slot in slots])
        shape = (len(definition.resolutions), len(definition.choices))
        self._table = np.zeros((len(slots), *shape), dtype=np.int64)
        for row, slot in zip(self._table, slots, strict=True):
            row[:] = [[self._catalog.index(layer) for layer in layers] for layers in slot.layers]

    @property
    def name(self) -> str:
        """The preset's name, or the stem of the file it came from."""
        return self._definition.name

    @property
    def catalog(self) -> LayerCatalog:
        """The distinct layers of all architectures."""
        return self._catalog

    @property
    def slot_layers(self) -> tuple[LayerSpec, ...]:
        """Slot by slot, the largest layer: what weight sharing cuts all others from."""
        return self._slot_layers

    def definition(self) -> dict[str, Any]:
        """Plain data from which the same space can be built again."""
        return {"family": "choice_blocks", **files.to_plain(self._definition)}

    def layer_indices(self, genes: IntArray) -> IntArray:
        """Catalog indices, shape (architectures, slots); absent slots point at layer 0."""
        resolutions = genes[:, :1] if self._several else 0
        slots = np.arange(len(self._table))
        return np.asarray(self._table[slots, resolutions, genes[:, self._gene_of_slot]])

    def canonical(self, genes: IntArray) -> IntArray:
        """The genes as they are, copied, as all have an effect; same shape."""
        return np.array(genes)

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random architectures, each gene uniform, shape (count, genes)."""
        return rng.integers(self.cardinalities, size=(count, len(self.cardinalities)))

    def describe(self, row: IntArray) -> dict[str, Any]:
        """``blocks``, the name of what each position holds, and ``r``, the resolution."""
        row = np.asarray(row)
        resolution = int(row[0]) if self._several else 0
        choices = self._definition.choices
        return {
            "blocks": [choices[int(gene)] for gene in row[-self._positions :]],
            "r": self._definition.resolutions[resolution],
        }

    def parse(self, mapping: Mapping[str, Any]) -> IntArray:
        """A row from the form that `describe` gives; ``r`` is needed where there is a choice.

        Raises:
            InputError: A key is unknown or missing, there are too few or too many blocks, or a
                value is not among the choices.
        """
        needed = ("blocks", "r") if self._several else ("blocks",)
        for key in mapping:
            if key not in ("blocks", "r"):
                raise UnknownNameError("architecture key", str(key), ("blocks", "r"))
        for key in needed:
            if key not in mapping:
                raise InputError(
                    f"Architecture key {key!r} is missing; space {self.name} has choices of "
                    f"{', '.join(needed)}."
                )
        resolutions = self._definition.resolutions
        resolution = mapping.get("r", resolutions[0])
        if resolution not in resolutions:
            raise InputError(
                f"Architecture key 'r' is {resolution!r}; space {self.name} offers "
                f"{list(resolutions)}."
            )
        chosen = self._parse_blocks(mapping["blocks"])
        first = [resolutions.index(resolution)] if self._several else []
        return np.array([*first, *chosen], dtype=np.int64)

    def _parse_blocks(self, names: Any) -> list[int]:
        given = len(names) if isinstance(names, (list, tuple)) else repr(names)
        if given != self._positions:
            raise InputError(
                f"Architecture key 'blocks' has {given} names; space {self.name} has "
                f"{self._positions} positions."
            )
        choices = self._definition.choices
        for name in names:
            if name not in choices:
                raise UnknownNameError("block", str(name), choices)
        return [choices.index(name) for name in names]


def create(content: Mapping[str, Any], source: str) -> SearchSpace:
    """A space of this family from the content of its TOML file.

    Raises:
        FileFormatError: A key or value is wrong, or two choices mean the same network.
    """
    definition = files.parse(dict(content), Definition, source=source)
    check(definition, source)
    return ChoiceBlocksSpace(definition)
