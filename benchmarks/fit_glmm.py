"""Fits one mixed model with the PyPI package ``glmm`` and prints "key value" lines.

Runs in the interpreter that has ``glmm``. Arguments: csv formula family nagq repeats.
CPU time is process time (all threads) of the fit and its printed summary.
"""

import contextlib
import io
import sys
import time
from importlib.metadata import version

import glmm
import pandas as pd


def show(key, values):
    """Print one line of numbers with 15 digits."""
    print(key, *(format(float(value), ".15g") for value in values))


def main(path, formula, family, n_points, repeats):
    """Fit `repeats` times, print the times and the last fit's estimates."""
    frame = pd.read_csv(path)
    options = {"reml": False} if family == "gaussian" else {"nagq": int(n_points)}
    cpu, elapsed = [], []
    for _ in range(int(repeats)):
        start, wall = time.process_time(), time.perf_counter()
        fit = glmm.fit(frame, formula, family, **options)
        with contextlib.redirect_stdout(io.StringIO()):
            fit.summary()
        cpu.append(time.process_time() - start)
        elapsed.append(time.perf_counter() - wall)
    print("version", version("glmm"))
    show("cpu", cpu)
    show("elapsed", elapsed)
    show("loglike", [fit.loglik])
    show("fixed", fit.beta)
    for (group, _), block in zip(fit.re_groups, fit.varcorr, strict=True):
        show(f"random:{group}", block)
    if family == "gaussian":
        show("response", [fit.dispersion])


if __name__ == "__main__":
    main(*sys.argv[1:])
