"""The examples in docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import sm_gllamm

# A copy of the kernel for another processor ends the process when it is imported.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sm_gllamm.__path__, prefix="sm_gllamm.")
    if "._kernel_" not in module.name
)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not failed, "see the captured output"
