"""Structural equation models here, in lavaan, and in the PyPI packages semopy and omnisem.

    python benchmarks/sem.py [holzinger twolevel large] [--peers PYTHON]

PYTHON is an interpreter that has ``semopy`` and ``omnisem``; R with ``lavaan`` is used if it is there.
Every fit is timed for the whole call, from text and data frame to estimates with standard errors, by CPU
time, the best of some repeats. BLAS runs on one thread. ``large`` has 40 items, 5 factors and 100,000 rows.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import sm_gllamm.api as smg  # noqa: E402

DATA = Path(__file__).parent.parent / "tests" / "reference" / "data"
THREE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
LEVELS = (
    "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1 + w2"
)
FIVE = "\n".join(f"f{k} =~ " + " + ".join(f"y{8 * k + j}" for j in range(8)) for k in range(5))

R = """
suppressMessages(library(lavaan))
args <- commandArgs(TRUE)
data <- read.csv(args[1]); model <- readLines(args[2]); repeats <- as.integer(args[3])
cluster <- if (args[4] == "") NULL else args[4]
best <- Inf
for (k in 0:repeats) {
  took <- system.time(fit <- sem(paste(model, collapse = "\\n"), data, cluster = cluster))
  if (k) best <- min(best, sum(took[c("user.self", "sys.self")]))
}
cat(sprintf('{"cpu": %.6f, "value": %.8f}', best, as.numeric(logLik(fit))))
"""
PYTHON = """
import json, sys, time, warnings
import numpy as np
import pandas as pd
warnings.simplefilter("ignore")
name, path, text, repeats = sys.argv[1], sys.argv[2], open(sys.argv[3]).read(), int(sys.argv[4])
data, best = pd.read_csv(path), np.inf
for k in range(repeats + 1):
    busy = time.process_time()
    if name == "semopy":
        import semopy
        model = semopy.Model(text)
        model.fit(data)
        table = model.inspect()
        loadings = table[(table.op == "~") & table.rval.isin(["visual", "textual", "speed"])]["Estimate"]
    else:
        import omnisem
        fit = omnisem.cfa(text, data)
        loadings = fit.estimates()["est"] if hasattr(fit, "estimates") else []
    if k:
        best = min(best, time.process_time() - busy)
print(json.dumps({"cpu": best, "value": None, "loadings": [float(v) for v in list(loadings)[:9]]}))
"""


def large(n=100_000):
    """Forty items of five correlated factors."""
    rng = np.random.default_rng(0)
    f = rng.normal(size=(n, 5)) @ np.linalg.cholesky(0.3 + 0.7 * np.eye(5)).T
    y = np.repeat(f, 8, axis=1) * rng.uniform(0.6, 1.2, 40) + rng.normal(size=(n, 40))
    return pd.DataFrame(y, columns=[f"y{k}" for k in range(40)])


#: Text, data, cluster, repeats, and the peers that can fit it.
CASES = {
    "holzinger": (THREE, lambda: pd.read_csv(DATA / "holzinger.csv"), None, 20,
                  ("lavaan", "semopy", "omnisem")),
    "twolevel": (LEVELS, lambda: pd.read_csv(DATA / "twolevel.csv"), "cluster", 5, ("lavaan",)),
    "large": (FIVE, large, None, 2, ("lavaan",)),
}  # fmt: skip


def ours(text, data, cluster, repeats):
    """CPU seconds and log-likelihood here."""
    best = np.inf
    for k in range(repeats + 1):
        busy = time.process_time()
        result = smg.SEM(text, data, cluster=cluster).fit()
        if k:
            best = min(best, time.process_time() - busy)
    return best, result.llf


def peer(name, python, text, data, cluster, repeats):
    """What a peer says, None where it is not installed or fails."""
    with tempfile.TemporaryDirectory() as folder:
        files = {k: str(Path(folder) / k) for k in ("data.csv", "model.txt", "program")}
        data.to_csv(files["data.csv"], index=False)
        Path(files["model.txt"]).write_text(text)
        Path(files["program"]).write_text(R if name == "lavaan" else PYTHON)
        if name == "lavaan":
            if shutil.which("Rscript") is None:
                return None
            tail = [files["data.csv"], files["model.txt"], str(repeats), cluster or ""]
            command = ["Rscript", files["program"], *tail]
        elif python is None:
            return None
        else:
            tail = [name, files["data.csv"], files["model.txt"], str(repeats)]
            command = [python, files["program"], *tail]
        done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--peers", help="interpreter with semopy and omnisem")
    options = parser.parse_args()
    print(f"{'case':<12}{'package':<12}{'log-likelihood':>18}{'CPU s':>10}{'ratio':>8}")
    for case in options.cases:
        text, read, cluster, repeats, peers = CASES[case]
        data = read()
        cpu, value = ours(text, data, cluster, repeats)
        print(f"{case:<12}{'sm_gllamm':<12}{value:>18.6f}{cpu:>10.4f}{1.0:>8.1f}")
        for name in peers:
            found = peer(name, options.peers, text, data, cluster, min(repeats, 5))
            if found is None:
                print(f"{case:<12}{name:<12}{'not available':>18}")
                continue
            shown = "" if found["value"] is None else f"{found['value']:.6f}"
            print(f"{case:<12}{name:<12}{shown:>18}{found['cpu']:>10.4f}{found['cpu'] / cpu:>8.1f}")


if __name__ == "__main__":
    main()
