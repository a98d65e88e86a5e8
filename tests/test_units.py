"""Quantities as people read them."""

import pytest

from hwnas.units import format_quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.23456, "ms", "1.235 ms"),
        (88.126, "%", "88.13 %"),
        (0, "", "0"),
        (999, "", "999"),
        (4_100_000, "", "4.1 M"),
        (216_589_760, "", "216.6 M"),
        (2.5e9, "", "2.5 G"),
        (512, "bytes", "512 B"),
        (812 * 1024, "bytes", "812 KiB"),
        (3 * 1024**2, "bytes", "3 MiB"),
        (0.0625, "mJ", "0.0625 mJ"),
    ],
)
def test_a_quantity_is_shown_with_its_unit(value, unit, text):
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "std", "unit", "text"),
    [
        (1.23456, 0.04567, "ms", "1.235 ms ± 0.046"),
        (88.126, 0.5, "%", "88.13 % ± 0.5"),
        (4_100_000, 12_000, "", "4.1 M ± 12 k"),
        (2048, 512, "bytes", "2 KiB ± 512 B"),
    ],
)
def test_a_deviation_stands_behind_its_quantity(value, std, unit, text):
    assert format_quantity(value, unit, std) == text
