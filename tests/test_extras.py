import pytest

from hwnas import extras
from hwnas.errors import ExtraMissingError


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it():
    message = r"The ray executor needs no-such-package, .* pip install 'hwnas\[ray\]'"
    with pytest.raises(ExtraMissingError, match=message):
        extras.require("no_such_package", extra="ray", purpose="the ray executor")


def test_a_package_that_is_installed_passes():
    extras.require("numpy", extra="ray", purpose="the ray executor")
    assert extras.installed("numpy")
