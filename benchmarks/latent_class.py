"""Latent class models here and in the PyPI packages polca (C++) and stepmix, and large data sets.

    python benchmarks/latent_class.py [carcinoma simulated million categories] [--peers PYTHON]

PYTHON is an interpreter that has ``polca`` and ``stepmix``. Every fit is timed for the whole call, from the
data to standard errors, the best of some repeats, with the same number of random starts everywhere.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

PEER = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
name, path, classes, starts, repeats = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
y = np.load(path)
columns = [f"x{j}" for j in range(y.shape[1])]
if name == "polca":
    import polars
    import pypolca
    data = polars.DataFrame({column: y[:, j].astype(np.int64) for j, column in enumerate(columns)})
    call = f"cbind({', '.join(columns)}) ~ 1"
    fit = lambda: pypolca.fit(call, data=data, nclass=classes, nrep=starts, seed=1)
    value = lambda result: float(result.loglik)
else:
    from stepmix import StepMix
    data = y.astype(float) - 1
    measurement = "binary" if y.max() == 2 else "categorical"
    fit = lambda: StepMix(
        n_components=classes, measurement=measurement, n_init=starts, max_iter=1000, random_state=1,
        verbose=0, progress_bar=0,
    ).fit(data)
    value = lambda result: float(result.score(data)) * len(data)
best, cpu = np.inf, np.inf
for k in range(repeats):
    wall, busy = time.perf_counter(), time.process_time()
    result = fit()
    best = min(best, time.perf_counter() - wall)
    cpu = min(cpu, time.process_time() - busy)
print(json.dumps({"wall": best, "cpu": cpu, "value": value(result)}))
"""


def simulated_responses(n, n_items=10, n_categories=2, seed=1):
    """Responses from 1 on of units in three classes."""
    rng = np.random.default_rng(seed)
    member = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    y = np.empty((n, n_items), dtype=np.int64)
    for j in range(n_items):
        share = rng.dirichlet(np.full(n_categories, 1.5), size=3)
        edge = np.cumsum(share, axis=1)[member, :-1]
        y[:, j] = 1 + (rng.random((n, 1)) > edge).sum(axis=1)
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
    print(f"  {label:<12}{value:>18.6f}{wall:>10.4f} s{cpu:>10.4f} CPU s  {more}", flush=True)


def against_peers(title, y, n_classes, n_starts, repeats, peers, names=("polca", "stepmix")):
    """A latent class model here and in the peers."""
    from sm_gllamm.models.latent_class import LatentClass

    data = pd.DataFrame(y, columns=[f"x{j}" for j in range(y.shape[1])])
    print(f"\n{title}, {n_classes} classes, {n_starts} starts")
    result, wall, cpu = timed(lambda: LatentClass(data, n_classes).fit(n_starts=n_starts), repeats)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    show(
        "sm_gllamm", result.llf, wall, cpu,
        f"best reached by {result.verdict.replicated} of {n_starts}; {memory:.2f} GiB",
    )  # fmt: skip
    if peers is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "y.npy"
        np.save(path, y)
        for name in names:
            arguments = [name, path, n_classes, n_starts, min(repeats, 3)]
            run = subprocess.run(
                [peers, "-c", PEER, *map(str, arguments)], capture_output=True, text=True
            )
            if run.returncode:
                print(f"  {name}: {run.stderr.strip().splitlines()[-1]}")
                continue
            fit = json.loads(run.stdout.strip().splitlines()[-1])
            more = f"{fit['wall'] / wall:.1f} times our time"
            if fit["value"] < result.llf - 1e-2:
                more += f", a maximum lower by {result.llf - fit['value']:.4f}"
            elif fit["value"] > result.llf + 1e-2:
                more += f", A BETTER MAXIMUM by {fit['value'] - result.llf:.4f}"
            show(name, fit["value"], fit["wall"], fit["cpu"], more)


def carcinoma(peers):
    """Seven pathologists on 118 slides (Agresti 2002)."""
    folder = Path(__file__).parents[1] / "tests" / "reference" / "data"
    y = pd.read_csv(folder / "carcinoma.csv")[list("ABCDEFG")].to_numpy()
    for n_classes in (2, 3, 4):
        against_peers("carcinoma", y, n_classes, 20, 5, peers)


def simulated(peers):
    y = simulated_responses(10_000)
    against_peers("10 binary items x 10,000 cases", y, 3, 20, 3, peers)


def million(peers):
    y = simulated_responses(1_000_000)
    against_peers("10 binary items x 1,000,000 cases", y, 3, 20, 1, peers, ("polca",))


def categories(peers):
    y = simulated_responses(1_000_000, n_categories=4)
    against_peers("10 items in 4 categories x 1,000,000 cases", y, 3, 20, 1, None)


CASES = {case.__name__: case for case in (carcinoma, simulated, million, categories)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["carcinoma", "simulated"])
    parser.add_argument("--peers", help="interpreter with polca and stepmix")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.cases:
        if name not in CASES:
            sys.exit(f"no case {name!r}; there are {', '.join(CASES)}")
        CASES[name](arguments.peers)


if __name__ == "__main__":
    main()
