"""Runs a peer in a process of its own and reads back its times and estimates."""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class PeerFit:
    """What a peer reported.

    Attributes
    ----------
    params : ndarray
        Estimates in this package's order: coefficients, then the covariance parameters of the
        random effects from the top level down, then the residual variance if there is one.
    cpu, elapsed : float
        Median CPU and elapsed seconds of the timed fits.
    """

    version: str
    loglike: float
    params: np.ndarray
    cpu: float
    elapsed: float


def run_peer(name, frame, formula, family, n_points, repeats, factors=(), glmm_python=None):
    """Fit `formula` to `frame` with a peer.

    Parameters
    ----------
    name : {"lme4", "glmmTMB", "glmm"}
    frame : pandas.DataFrame
    formula, family : str
    n_points : int
        Quadrature points per dimension; 1 is Laplace.
    repeats : int
        Number of timed fits.
    factors : sequence of str
        Columns that R has to take as factors.
    glmm_python : str, optional
        Interpreter that has ``glmm`` installed.

    Returns
    -------
    PeerFit or None
        None when the peer is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        frame.to_csv(path, index=False)
        if name == "glmm":
            program = [glmm_python or sys.executable, str(HERE / "fit_glmm.py"), str(path)]
            command = [*program, formula, family, str(n_points), str(repeats)]
        else:
            program = ["Rscript", str(HERE / "fit_r.R"), name, str(path)]
            command = [*program, formula, family, str(n_points), str(repeats), ",".join(factors)]
        if shutil.which(command[0]) is None:
            return None
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {name} did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return _parse(done.stdout)


def _parse(output):
    """Read the "key value ..." lines that both scripts print."""
    fields = {}
    for line in output.splitlines():
        key, *values = line.split()
        fields[key] = values
    version = fields.pop("version")[0]
    numbers = {key: np.array(values, dtype=float) for key, values in fields.items()}
    # A nested group is called a:b or b:a; the fewer parts, the higher the level.
    groups = sorted((key for key in numbers if key.startswith("random:")), key=_depth)
    blocks = [numbers["fixed"], *(numbers[key] for key in groups), numbers.get("residual", [])]
    return PeerFit(
        version=version,
        loglike=float(numbers["loglike"][0]),
        params=np.concatenate(blocks),
        cpu=float(np.median(numbers["cpu"])),
        elapsed=float(np.median(numbers["elapsed"])),
    )


def _depth(key):
    return key.count(":")
