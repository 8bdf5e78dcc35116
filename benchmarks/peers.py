"""Runs a peer in a process of its own and reads back its times and estimates."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
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
        random effects from the top level down, then the thresholds, then what else the response
        has (residual variance, dispersion, logit of the zero probability).
    cpu, elapsed : float
        Median CPU and elapsed seconds of the timed fits.
    """

    version: str
    loglike: float
    params: np.ndarray
    cpu: float
    elapsed: float


def run_peer(case, peer, frame, n_points, glmm_python=None):
    """Fit a case with a peer.

    Parameters
    ----------
    case : Case
    peer : Peer
    frame : pandas.DataFrame
    n_points : int
        Quadrature points per dimension; 1 is Laplace.
    glmm_python : str, optional
        Interpreter that has ``glmm`` installed.

    Returns
    -------
    PeerFit or None
        None when the peer is not installed.
    """
    formula, family = peer.formula or case.formula, peer.family or case.family
    offset = peer.offset or case.offset
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        frame.to_csv(path, index=False)
        common = [formula, family, str(n_points), str(peer.repeats)]
        if peer.name == "glmm":
            python = glmm_python or sys.executable
            command = [python, str(HERE / "fit_glmm.py"), str(path), *common]
        else:
            if offset is not None:
                common[0] += f" + offset({offset})"
            command = ["Rscript", str(HERE / "fit_r.R"), peer.name, str(path), *common]
            command.append(",".join(case.factors))
        if shutil.which(command[0]) is None:
            return None
        # levels of factors in the order of their codes, as here
        environment = os.environ | {"LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        print(f"  {peer.name} did not run: {reason}", file=sys.stderr)
        return None
    fit = _parse(done.stdout)
    return fit if peer.shift is None else replace(fit, loglike=fit.loglike + peer.shift(frame))


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
    rest = [numbers.get(key, []) for key in ("thresholds", "response")]
    blocks = [numbers["fixed"], *(numbers[key] for key in groups), *rest]
    return PeerFit(
        version=version,
        loglike=float(numbers["loglike"][0]),
        params=np.concatenate(blocks),
        cpu=float(np.median(numbers["cpu"])),
        elapsed=float(np.median(numbers["elapsed"])),
    )


def _depth(key):
    return key.count(":")
