"""Who may import whom: the rule that docs/explanation/architecture.rst describes.

Python files are read as syntax trees, Cython files line by line; nothing is imported.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sm_gllamm"

# A room may import the rooms on its line, and the modules open to all.
MAY_IMPORT = {
    "responses": set(),
    "engine": {"responses"},
    "preparation": set(),
    "mapping": {"engine", "preparation", "responses"},
    "likelihood": {"mapping", "engine"},
    "estimation": {"responses"},
    "inference": set(),
    "survey": {"inference"},
    "specification": {"mapping", "engine", "responses"},
    "prediction": {"specification", "likelihood", "mapping", "engine", "responses"},
    "items": set(),
    "classes": set(),
    "plotting": set(),
    "results": {
        "items",
        "classes",
        "specification",
        "prediction",
        "inference",
        "survey",
        "likelihood",
        "engine",
        "plotting",
    },
    "models": {
        "items",
        "specification",
        "mapping",
        "likelihood",
        "estimation",
        "inference",
        "survey",
        "prediction",
        "results",
        "responses",
        "preparation",
    },
    "datasets": set(),
    "api": {
        "models",
        "estimation",
        "preparation",
        "responses",
        "results",
        "specification",
        "survey",
        "datasets",
    },
    "formula": {"models"},
}
OPEN_TO_ALL = {"exceptions", "_typing"}

# Libraries that only some rooms may know.
CONFINED = {
    "patsy": {"specification", "models"},
    "formulaic": {"specification"},
    "matplotlib": {"plotting"},
    "pandas": {
        "datasets",
        "plotting",
        "survey",
        "specification",
        "prediction",
        "results",
        "models",
        "preparation",
    },
}
NAMELESS = {"utils", "misc", "helpers", "common"}

CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+([\w.]+)\s+(?:cimport|import)|(?:cimport|import)\s+([\w.]+))"
)


def room_of(path):
    """The room a file is in: a folder, or a module at the top of the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path):
    """Dotted name of the package that holds a file."""
    return ".".join(("sm_gllamm", *path.relative_to(PACKAGE).parts[:-1]))


def absolute(name, level, path):
    """An import's absolute name, `level` being the number of leading dots."""
    if not level:
        return name
    base = module_of(path).split(".")
    base = base[: len(base) - level + 1]
    return ".".join([*base, name] if name else base)


def imports_of_python(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.module or "", node.level, path)
            # `from sm_gllamm import engine` names the room only in the alias.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of_cython(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := CYTHON_IMPORT.match(line):
            name = match[1] or match[2]
            stripped = name.lstrip(".")
            yield absolute(stripped, len(name) - len(stripped), path)


def breaches(path):
    """Imports of a file that its room is not allowed, as readable strings."""
    room = room_of(path)
    if room == "__init__" or room in OPEN_TO_ALL:
        allowed = OPEN_TO_ALL
    else:
        allowed = MAY_IMPORT[room] | OPEN_TO_ALL | {room}
    reader = imports_of_python if path.suffix in (".py", ".pyi") else imports_of_cython
    for name in reader(path):
        top, *rest = name.split(".")
        if top == "sm_gllamm" and rest and rest[0] not in allowed | {"__version__"}:
            yield f"{path.relative_to(PACKAGE)} imports {name}"
        if top in CONFINED and room not in CONFINED[top]:
            yield f"{path.relative_to(PACKAGE)} imports {name}"
        if name.startswith("statsmodels.formula") and room != "specification":
            yield f"{path.relative_to(PACKAGE)} imports {name}"


SOURCES = sorted(
    path
    for path in PACKAGE.rglob("*")
    if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".pxi") and "__pycache__" not in path.parts
)


def test_every_room_has_a_line():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(MAY_IMPORT)


def test_the_rule_has_no_cycles():
    remaining = {room: set(others) for room, others in MAY_IMPORT.items()}
    while remaining:
        free = {room for room, others in remaining.items() if not others & set(remaining)}
        assert free, f"cycle among {sorted(remaining)}"
        remaining = {room: others for room, others in remaining.items() if room not in free}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_keep_to_the_rule(path):
    assert not list(breaches(path))


def test_modules_are_named_after_what_they_hold():
    assert not [path for path in SOURCES if path.stem.strip("_") in NAMELESS]


@pytest.mark.parametrize(
    "file, line",
    [
        ("engine/planted.py", "from sm_gllamm.mapping.table import ParameterTable"),
        ("engine/planted.py", "from ..models import glmm"),
        ("engine/planted.pyx", "from sm_gllamm.likelihood._x cimport f"),
        ("estimation/planted.py", "import sm_gllamm.likelihood.marginal"),
        ("estimation/planted.py", "from sm_gllamm import likelihood"),
        ("mapping/planted.py", "def f():\n    import pandas as pd"),
        ("models/planted.py", "from statsmodels.formula._manager import FormulaManager"),
    ],
)
def test_a_planted_breach_is_found(file, line, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(line + "\n", encoding="utf-8")
    assert list(breaches(path))
