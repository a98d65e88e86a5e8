"""Networks of MobileNetV3's kind, described by stages of inverted residual blocks with choices."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwnas import files
from hwnas.catalog import BoolArray, IntArray, LayerCatalog
from hwnas.errors import InputError, UnknownNameError
from hwnas.layers import LayerSpec
from hwnas.protocols import SearchSpace
from hwnas.spaces._mobilenet_v3_definition import Definition, check
from hwnas.spaces._mobilenet_v3_slots import (
    RESOLUTION,
    GeneKey,
    genes_of,
    slots_of,
    stage_choices,
)


class MobileNetV3Space:
    """A search space of inverted residual stages.

    A gene is an index into its choices; things with a single choice have no gene. Order of the
    genes: resolution; stage by stage width, squeeze-excite, activation, depth; then block by
    block kernel size and expansion ratio.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._genes = genes_of(definition)
        self._position = {gene.place: i for i, gene in enumerate(self._genes)}
        self.cardinalities = np.array([len(gene.choices) for gene in self._genes], dtype=np.int64)
        self._absences = self._absence_rules()
        self._build_tables()

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
        return {"family": "mobilenet_v3", **files.to_plain(self._definition)}

    def layer_indices(self, genes: IntArray) -> IntArray:
        """Catalog indices, shape (architectures, slots); absent slots point at layer 0."""
        # a matrix product is the fastest way to mix radices; float32 is exact below 2**24
        codes = self._radix @ genes.astype(self._radix.dtype).T
        codes += self._offsets
        return np.asarray(self._table.take(codes.astype(np.intp), mode="clip")).T

    def canonical(self, genes: IntArray) -> IntArray:
        """Genes of blocks beyond their stage's depth set to 0; same shape."""
        result = np.array(genes)
        for depth_gene, is_absent, block_genes in self._absences:
            absent = is_absent[result[:, depth_gene]]
            for gene in block_genes:
                result[absent, gene] = 0
        return result

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random canonical architectures, each gene uniform, shape (count, genes)."""
        return self.canonical(rng.integers(self.cardinalities, size=(count, len(self._genes))))

    def describe(self, row: IntArray) -> dict[str, Any]:
        """An architecture in Once-for-All's form.

        Returns:
            ``ks`` and ``e`` block by block at full depth, ``d`` stage by stage, for the stages
            that have a choice; ``r`` the resolution; ``w``, ``se``, ``act`` stage by stage where
            there is a choice. Entries of absent blocks are their first choices.
        """
        row = self.canonical(np.asarray(row)[None, :])[0]
        stages = self._searched_stages()
        result: dict[str, Any] = {
            "ks": [self._value(row, "ks", s, b) for s, b in self._searched_blocks()],
            "e": [self._value(row, "e", s, b) for s, b in self._searched_blocks()],
            "d": [self._value(row, "d", s) for s in stages],
            "r": self._value(row, "r"),
        }
        for key in ("w", "se", "act"):
            if any((key, s, None) in self._position for s in stages):
                result[key] = [self._value(row, key, s) for s in stages]
        return result

    def parse(self, mapping: Mapping[str, Any]) -> IntArray:
        """A canonical row from the form that `describe` gives; one value may stand for all.

        Raises:
            InputError: A key is unknown or missing, a list has the wrong length, or a value is
                not among the choices.
        """
        places = self._places()
        unknown = [key for key in mapping if key not in places]
        if unknown:
            raise UnknownNameError("architecture key", str(unknown[0]), places)
        missing = [gene.key for gene in self._genes if gene.key not in mapping]
        if missing:
            raise InputError(
                f"Architecture key {missing[0]!r} is missing; space {self.name} has choices of "
                f"{', '.join(dict.fromkeys(gene.key for gene in self._genes))}."
            )
        row = np.zeros((1, len(self._genes)), dtype=np.int64)
        depths = self._depths(mapping)
        for key, value in mapping.items():
            for place, one in zip(places[key], _spread(key, value, len(places[key])), strict=True):
                _, stage, block = place
                choices = self._choices(key, stage)
                if one in choices:
                    if place in self._position:
                        row[0, self._position[place]] = choices.index(one)
                # Once-for-All leaves any value in the entries of absent blocks
                elif stage is None or block is None or block < depths[stage]:
                    raise self._misfit(place, one)
        return np.asarray(self.canonical(row)[0])

    def _places(self) -> dict[str, list[GeneKey]]:
        """Where the values of each key belong, in order."""
        stages, blocks = self._searched_stages(), self._searched_blocks()
        places: dict[str, list[GeneKey]] = {"r": [RESOLUTION]}
        places |= {key: [(key, s, b) for s, b in blocks] for key in ("ks", "e")}
        return places | {key: [(key, s, None) for s in stages] for key in ("d", "w", "se", "act")}

    def _depths(self, mapping: Mapping[str, Any]) -> dict[int, int]:
        """The depth of each searched stage in a readable form; where it has one, the only one."""
        stages = self._searched_stages()
        depths = [max(self._definition.stages[s].depth) for s in stages]
        given = _spread("d", mapping["d"], len(stages)) if "d" in mapping else depths
        for s, depth in zip(stages, given, strict=True):
            if depth not in self._choices("d", s):
                raise self._misfit(("d", s, None), depth)
        return dict(zip(stages, given, strict=True))

    def _misfit(self, place: GeneKey, value: Any) -> InputError:
        """The error for a value that is not among the choices of its place."""
        key, stage, block = place
        where = "" if stage is None else f" at stage {stage}"
        where += "" if block is None else f", block {block}"
        return InputError(
            f"Architecture key {key!r} is {value!r}{where}; space {self.name} offers "
            f"{list(self._choices(key, stage))}."
        )

    def _choices(self, key: str, stage: int | None) -> tuple[Any, ...]:
        if stage is None:
            return self._definition.resolutions
        return tuple(stage_choices(self._definition.stages[stage])[key])

    def _value(
        self, row: IntArray, key: str, stage: int | None = None, block: int | None = None
    ) -> Any:
        choices = self._choices(key, stage)
        position = self._position.get((key, stage, block))
        return choices[0] if position is None else choices[int(row[position])]

    def _searched_stages(self) -> list[int]:
        """Stages that leave a choice; Once-for-All's form speaks of these alone."""
        with_genes = {gene.stage for gene in self._genes}
        return [s for s in range(len(self._definition.stages)) if s in with_genes]

    def _searched_blocks(self) -> list[tuple[int, int]]:
        stages = self._definition.stages
        return [(s, b) for s in self._searched_stages() for b in range(max(stages[s].depth))]

    def _build_tables(self) -> None:
        """Put all slots' layers into one table, at a position that the genes add up to."""
        slots = slots_of(self._definition)
        self._catalog = LayerCatalog(layer for slot in slots for layer in slot.layers)
        self._slot_layers = tuple(slot.largest for slot in slots)
        table = [self._catalog.index(layer) for slot in slots for layer in slot.layers]
        self._table = np.array(table, dtype=np.intp)
        exact = np.float32 if len(table) < 2**24 else np.float64
        sizes = [len(slot.layers) for slot in slots]
        self._offsets = np.cumsum([0, *sizes[:-1]]).astype(exact)[:, None]
        self._radix = np.zeros((len(slots), len(self._genes)), dtype=exact)
        for row, slot in zip(self._radix, slots, strict=True):
            step = 1
            for gene in reversed([self._position[k] for k in slot.keys if k in self._position]):
                row[gene] = step
                step *= len(self._genes[gene].choices)

    def _absence_rules(self) -> list[tuple[int, BoolArray, list[int]]]:
        """Block by block: its stage's depth gene, for which values it is absent, its genes."""
        rules = []
        for s, stage in enumerate(self._definition.stages):
            depth_gene = self._position.get(("d", s, None))
            if depth_gene is None:
                continue
            for b in range(min(stage.depth), max(stage.depth)):
                own = [i for i, gene in enumerate(self._genes) if gene.place[1:] == (s, b)]
                rules.append((depth_gene, np.array(stage.depth) <= b, own))
        return rules


def create(content: Mapping[str, Any], source: str) -> SearchSpace:
    """A space of this family from the content of its TOML file.

    Raises:
        FileFormatError: A key or value is wrong, or two choices mean the same network.
    """
    definition = files.parse(dict(content), Definition, source=source)
    check(definition, source)
    return MobileNetV3Space(definition)


def _spread(key: str, value: Any, count: int) -> list[Any]:
    """One value for each place: a list as it is, a single value for all of them."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) == 1:
        values *= count
    if len(values) != count:
        raise InputError(f"Architecture key {key!r} has {len(values)} values; expected {count}.")
    return values
