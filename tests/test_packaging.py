"""What ``make dist`` built is complete, and the source distribution installs anywhere.

These tests read ``dist/`` and are selected by ``make dist``.
"""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parent.parent
DATA_SETS = {path.name for path in (ROOT / "sm_gllamm" / "datasets").rglob("*.csv")}
GENERATED = (".c", ".so", ".pyd", ".pyc")


def built(pattern):
    found = sorted((ROOT / "dist").glob(pattern))
    assert len(found) == 1, f"`make dist` leaves one {pattern} in dist/, found {found}"
    return found[0]


@pytest.fixture(scope="module")
def sdist():
    return built("*.tar.gz")


@pytest.fixture(scope="module")
def wheel_names():
    with zipfile.ZipFile(built("*.whl")) as archive:
        return archive.namelist()


def test_sdist_holds_all_sources_and_nothing_generated(sdist):
    with tarfile.open(sdist) as archive:
        # Without the leading folder, which carries the version.
        names = {name.partition("/")[2] for name in archive.getnames()}
    for pattern in ("*.py", "*.pyx", "*.pxd", "*.pxi", "*.h", "*.csv"):
        sources = {str(path.relative_to(ROOT)) for path in (ROOT / "sm_gllamm").rglob(pattern)}
        assert sources <= names, sources - names
    assert {"LICENSE", "README.md", "CHANGES.md", "setup.py", "pyproject.toml"} <= names
    assert not [name for name in names if name.endswith(GENERATED)]


def test_wheel_holds_the_extensions_and_the_data(wheel_names):
    modules = {Path(name).name.split(".")[0] for name in wheel_names if ".so" in name}
    kernels = {path.stem for path in (ROOT / "sm_gllamm").rglob("*.pyx")}
    # The copies for newer processors are left out where the compiler cannot make them.
    optional = {name for name in kernels if name.endswith(("_v3", "_v4"))}
    assert kernels - optional <= modules
    assert {Path(name).name for name in wheel_names if name.endswith(".csv")} == DATA_SETS
    assert not [name for name in wheel_names if name.endswith((".c", ".pyx", ".pxi", ".h"))]


def test_sdist_installs_into_an_empty_environment(sdist, tmp_path):
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin") / "python"
    # One copy of the kernel is enough here; the wheel was built with all of them.
    environment = {**os.environ, "SM_GLLAMM_KERNELS": "base"}
    install = [python, "-m", "pip", "install", "--quiet", sdist]
    subprocess.run(install, check=True, cwd=tmp_path, env=environment)
    smoke = subprocess.run(
        [python, ROOT / "tests" / "smoke.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert smoke.returncode == 0, smoke.stderr
    assert str(tmp_path) in smoke.stdout, "the installed package must be used, not the source tree"
    sys.stdout.write(smoke.stdout)
