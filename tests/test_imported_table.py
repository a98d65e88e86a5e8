"""Tables of others' means: what they predict, and which files are none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.imported_table import (
    ImportedLatencyTable,
    LayerMean,
    PublishedFile,
    imported_note,
    read_table,
)
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parent / "data" / "profile_space.toml")
LAYERS = SPACE.catalog.layers[1:]
POOL = next(layer for layer in LAYERS if layer.kind == "pool")


FIGURES = tuple(
    # the n-th takes n squared milliseconds; the pooling is part of the layer before it
    LayerMean(layer, float(n**2), 0.1, 50)
    for n, layer in enumerate((layer for layer in LAYERS if layer != POOL), start=1)
)
TABLE = ImportedLatencyTable(
    device="phone", precision="fp32", source="a paper", published_as="once_for_all", runtime="",
    threads=None, published=(PublishedFile("a.yaml", "00"),), layers=FIGURES, contained=(POOL,),
)  # fmt: skip


def test_a_network_takes_the_sum_of_its_layers() -> None:
    one, two = TABLE.layers[0].layer, TABLE.layers[1].layer
    assert TABLE.network_ms([one, two, POOL]) == 1 + 4
    assert TABLE.overhead_ms == 0


def test_a_population_at_once_takes_what_each_network_takes() -> None:
    genes = SPACE.sample(30, np.random.default_rng(0))
    expected = [TABLE.network_ms(architecture_layers(SPACE, row)) for row in genes]
    np.testing.assert_allclose(TABLE.bind(SPACE).latency_ms(genes), expected, rtol=1e-12)


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "phone" / "imported-fp32.json"
    TABLE.write(path)
    assert ImportedLatencyTable.read(path) == TABLE
    assert read_table(path) == TABLE
    assert "hwnas measured none" in json.loads(path.read_text())["statement"]


def test_a_table_that_lacks_layers_says_how_many_and_what_it_has() -> None:
    table = replace(TABLE, layers=TABLE.layers[:-2])
    said = r"lacks 2 of the 12 layers .* such as a conv layer .* resolutions 16"
    with pytest.raises(SpaceMismatchError, match=said):
        table.bind(SPACE)
    assert len(table.lacking(SPACE.catalog)) == 2


def test_the_note_says_what_is_not_known() -> None:
    assert "an unknown runtime, an unknown number of threads" in imported_note(TABLE)
    known = replace(TABLE, runtime="TensorFlow Lite", threads=4)
    assert "(fp32, TensorFlow Lite, threads: 4)" in imported_note(known)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(format="hwnas latency tables"), "is not an imported lat"),
        (lambda content: content.update(version=2), "of version 2, and this hwnas reads 1"),
        (lambda content: content.update(layers=[]), "layers is empty"),
        (lambda content: content.update(source=3), "source is 3"),
        (lambda content: content.update(colour="red"), "colour is not a known key"),
        (lambda content: content["layers"][0].update(mean_ms=-1.0), "layers.0 has a mean of -1.0"),
        (lambda content: content["layers"][0].update(mean_ms=0.0), "layers.0 has a mean of 0.0 ms"),
        (lambda content: content["layers"][1].update(std_ms=-0.5), "layers.1 has a deviation of -"),
        (lambda content: content["layers"].append(content["layers"][0]), "name a layer twice"),
    ],
)
def test_a_file_that_cannot_have_been_imported_is_refused(
    change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "imported-fp32.json"
    TABLE.write(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=said):
        ImportedLatencyTable.read(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "imported-fp32.json"
    TABLE.write(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FileFormatError, match="may be truncated"):
        read_table(path)
