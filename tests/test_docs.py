"""The code in the documentation runs and prints what the pages show."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.rst")
    if "generated" not in page.parts and ">>> " in page.read_text(encoding="utf-8")
)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", PAGES)
def test_code_of_page(page):
    failed, _ = doctest.testfile(
        str(DOCS / page), module_relative=False, optionflags=OPTIONS, encoding="utf-8"
    )
    assert not failed, "see the captured output"
