"""Item response models here and in the PyPI packages theta-irt and mirt, and large data sets.

    python benchmarks/irt.py [small medium wide million bifactor graded] [--peers PYTHON]

PYTHON is an interpreter that has ``theta-irt`` and ``mirt`` (they need another numpy than we do). Every
fit is timed for the whole call, with standard errors, the best of some repeats; compilation of
just-in-time compiled peers is not counted. The peers' log-likelihoods are those they report
by their quadrature, and what the peer's estimates come to by ours stands beside them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

PEER = """
import json, sys, time
import numpy as np
name, path, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
y = np.load(path)
best, cpu = np.inf, np.inf
for k in range(repeats + 1):
    wall, busy = time.perf_counter(), time.process_time()
    if name == "theta":
        import theta
        fit = theta.fit(y.astype(float))
        a, b = np.asarray(fit.a, float), np.asarray(fit.b, float)
        slope, intercept, value = a, -a * b, float(fit.loglik)
        fit.standard_errors
    else:
        import mirt
        fit = mirt.fit_mirt(y.astype(int), model="2PL")
        value = float(fit.log_likelihood)
        p = fit.model.parameters
        a = np.asarray(p["discrimination"], float)
        slope, intercept = a, -a * np.asarray(p["difficulty"], float)
    if k:
        best = min(best, time.perf_counter() - wall)
        cpu = min(cpu, time.process_time() - busy)
print(json.dumps({"wall": best, "cpu": cpu, "value": value, "slope": slope.tolist(),
                  "intercept": intercept.tolist()}))
"""


def simulated(n_persons, n_items, seed=5):
    """Responses of a two-parameter logistic model."""
    rng = np.random.default_rng(seed)
    slope, intercept = rng.lognormal(0.0, 0.3, n_items), rng.normal(size=n_items)
    theta = rng.normal(size=n_persons)
    y = np.empty((n_persons, n_items), dtype=np.int8)
    for j in range(n_items):
        y[:, j] = rng.random(n_persons) < 1 / (1 + np.exp(-(slope[j] * theta + intercept[j])))
    return y


def timed(call, repeats):
    """Result, best elapsed time and best CPU time of some calls."""
    wall = cpu = np.inf
    for _ in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        result = call()
        wall = min(wall, time.perf_counter() - began)
        cpu = min(cpu, time.process_time() - busy)
    return result, wall, cpu


def show(label, value, wall, cpu, more=""):
    print(f"  {label:<14}{value:>18.6f}{wall:>10.3f} s{cpu:>10.3f} CPU s  {more}", flush=True)


def against_peers(n_persons, n_items, repeats, peers):
    """A two-parameter model of binary items."""
    from sm_gllamm.api import IRT

    y = simulated(n_persons, n_items)
    print(f"\n2PL, {n_items} items x {n_persons:,} persons")
    result, wall, cpu = timed(lambda: IRT(y).fit(), repeats)
    show("sm_gllamm", result.llf, wall, cpu, f"converged {result.converged}")
    if peers is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "y.npy"
        np.save(path, y)
        for name in ("theta", "mirt"):
            run = subprocess.run(
                [peers, "-c", PEER, name, str(path), str(repeats)], capture_output=True, text=True
            )
            if run.returncode:
                print(f"  {name}: {run.stderr.strip().splitlines()[-1]}")
                continue
            fit = json.loads(run.stdout.strip().splitlines()[-1])
            there = result.model.loglike(np.concatenate([fit["intercept"], fit["slope"]]))
            show(
                name, fit["value"], fit["wall"], fit["cpu"],
                f"by our rule {there:.6f}; {fit['wall'] / wall:.1f} times our time",
            )  # fmt: skip


def small(peers):
    against_peers(10_000, 20, 3, peers)


def medium(peers):
    against_peers(5_000, 30, 3, peers)


def wide(peers):
    against_peers(2_000, 100, 2, peers)


def million(peers):
    """One million persons: elapsed time and the largest memory in use."""
    from sm_gllamm.api import IRT

    y = simulated(1_000_000, 20)
    print("\n2PL, 20 items x 1,000,000 persons")
    result, wall, cpu = timed(lambda: IRT(y).fit(), 1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    show("sm_gllamm", result.llf, wall, cpu, f"{memory:.2f} GiB")


def bifactor(peers):
    """Four group factors by dimension reduction against two dimensions without."""
    from sm_gllamm.api import IRT

    rng = np.random.default_rng(3)
    n, n_items = 2_000, 16
    names = [f"x{j + 1}" for j in range(n_items)]
    own = np.repeat(np.arange(4), 4)
    nu = 1.2 * rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, 4))[:, own]
    nu = nu + np.linspace(-1, 1, n_items)
    data = pd.DataFrame(
        (rng.random((n, n_items)) < 1 / (1 + np.exp(-nu))).astype(int), columns=names
    )
    groups = {f"g{k + 1}": [x for x, o in zip(names, own, strict=True) if o == k] for k in range(4)}
    print(f"\nBifactor with four group factors, {n_items} items x {n:,} persons")
    result, wall, cpu = timed(lambda: IRT(data, specific=groups).fit(), 2)
    show("bifactor", result.llf, wall, cpu)
    two = {"f": names[:8], "g": names[8:]}
    result, base, cpu = timed(lambda: IRT(data, dimensions=two).fit(), 2)
    show("two factors", result.llf, base, cpu, f"bifactor takes {wall / base:.2f} times as long")


def graded(peers):
    """Graded responses in five categories."""
    from sm_gllamm.api import IRT

    rng = np.random.default_rng(8)
    n, n_items = 5_000, 20
    nu = rng.lognormal(0, 0.3, n_items) * rng.normal(size=(n, 1)) + rng.normal(size=n_items)
    cut = np.array([1.5, 0.5, -0.5, -1.5])
    y = (rng.random((n, n_items, 1)) < 1 / (1 + np.exp(-(nu[..., None] + cut)))).sum(axis=2)
    for model in ("graded", "GPCM"):
        print(f"\n{model}, {n_items} items with five categories x {n:,} persons")
        result, wall, cpu = timed(lambda model=model: IRT(y, model).fit(), 2)
        show("sm_gllamm", result.llf, wall, cpu)


CASES = {case.__name__: case for case in (small, medium, wide, million, bifactor, graded)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["small", "medium", "bifactor", "graded"])
    parser.add_argument("--peers", help="interpreter with theta-irt and mirt")
    arguments = parser.parse_args()
    for name in arguments.cases:
        if name not in CASES:
            sys.exit(f"no case {name!r}; there are {', '.join(CASES)}")
        CASES[name](arguments.peers)


if __name__ == "__main__":
    main()
