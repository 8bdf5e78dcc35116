"""Peak memory of a fit to a million rows of ten columns, in a process of its own.

Prints the size of the data and the peak of the process while building and fitting the model, data
included, interpreter and libraries not. Linux only: reads and resets the peak in /proc/self.
Argument: "array" or "formula".
"""

import sys
from pathlib import Path

import data
import pandas as pd

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf

MEGABYTE = 2**20


def status(key):
    """Return a memory figure of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main(kind):
    """Fit a logit with a random intercept, 7 points."""
    before = status("VmRSS")
    y, x, cluster = data.wide()
    size = y.nbytes + x.nbytes + cluster.nbytes
    if kind == "formula":
        names = [f"x{column}" for column in range(x.shape[1])]
        frame = pd.DataFrame(x, columns=names, copy=False).assign(y=y, g=cluster)
        formula = f"y ~ 0 + {' + '.join(names)} + (1 | g)"
    Path("/proc/self/clear_refs").write_text("5")
    if kind == "formula":
        result = smgf.glmm(formula, frame, family="binomial").fit(n_points=7)
    else:
        result = smg.GLMM(y, x, groups=cluster, family="binomial").fit(n_points=7)
    str(result.summary())
    peak = status("VmHWM") - before
    print(f"{size / MEGABYTE:.0f} {peak / MEGABYTE:.0f} {peak / size:.2f} {result.llf:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
