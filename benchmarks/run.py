"""Fits the same models here and in the peers, and prints log-likelihoods and ratios of CPU times.

Run ``python benchmarks/run.py --help`` for the choices; benchmarks/README.md says what is compared.
"""

import argparse
import os
import platform
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

# One BLAS thread for everybody, before numpy is imported: idle threads that spin count as CPU time.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from cases import CASES  # noqa: E402
from ours import fit_ours  # noqa: E402
from peers import run_peer  # noqa: E402

from sm_gllamm.exceptions import QuadratureWarning  # noqa: E402

# A ratio counts only where the peer's own log-likelihood is ours at its estimates, by its rule ...
SAME_FUNCTION = 1e-3
# ... and where a peer that integrates as accurately as we do has found the maximum.
SAME_MAXIMUM = 1e-2
HEADER = f"{'':<22}{'points':>7}{'log-lik':>17}{'ours there':>17}{'CPU s':>10}{'ratio':>8}  aim"


def line(name, points, loglike, there, cpu, ratio="", aim=""):
    """Format one line of a case's table."""
    there = "" if there is None else f"{there:.6f}"
    print(f"{name:<22}{points!s:>7}{loglike:>17.6f}{there:>17}{cpu:>10.4f}{ratio:>8}  {aim}")


def run_case(case, repeats, glmm_python):
    """Run one case; return False when an aim was missed."""
    print(f"\n{case.title}\n{HEADER}", flush=True)
    frame = case.load()
    ours = fit_ours(case, frame, repeats or case.repeats)
    points = "auto" if case.n_points is None else case.n_points
    line("sm_gllamm", points, ours.loglike, None, ours.cpu)
    passed = True
    for peer in case.peers:
        passed &= run_against(case, peer, frame, ours, glmm_python)
    if case.reference is not None:
        gap = ours.loglike - case.reference
        passed &= abs(gap) <= case.within
        print(f"  distance from the converged log-likelihood {case.reference}: {gap:.2e}")
    if case.seconds is not None:
        passed &= ours.elapsed <= case.seconds
        print(f"  elapsed {ours.elapsed:.2f} s with {case.n_threads} threads, aim {case.seconds} s")
    return passed


def run_against(case, peer, frame, ours, glmm_python):
    """Run one peer in a case and print its line; return False when its aim was missed."""
    points = peer.n_points or case.n_points or 1
    fit = run_peer(
        peer.name, frame, case.formula, case.family, points, peer.repeats, case.factors, glmm_python
    )
    if fit is None:
        print(f"{peer.name:<22} not available")
        return True
    there = ours.loglike_at(fit.params, points)
    ratio = fit.cpu / ours.cpu
    counts = abs(there - fit.loglike) < SAME_FUNCTION + 1e-8 * abs(there)
    if points != 1 or case.family == "gaussian":
        counts &= abs(fit.loglike - ours.loglike) < SAME_MAXIMUM
    verdict = "" if counts else "  (log-likelihoods differ: no ratio)"
    if peer.aim is not None:
        verdict = f"{peer.aim:g}: {'reached' if ratio >= peer.aim else 'MISSED'}" + verdict
    shown = f"{ratio:.1f}" if counts else "-"
    line(f"{peer.name} {fit.version}", points, fit.loglike, there, fit.cpu, shown, verdict)
    return not counts or peer.aim is None or ratio >= peer.aim


def run_memory():
    """Report the peak memory of a million rows, by arrays and by formula."""
    print("\n1,000,000 rows x 10 columns, logit, 7 points: memory, aim at most 3 times the data")
    passed = True
    for kind in ("array", "formula"):
        program = [sys.executable, str(Path(__file__).with_name("memory.py")), kind]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        size, peak, ratio, loglike = done.stdout.split()
        print(f"  {kind:<8} data {size} MB, peak {peak} MB: {ratio} times (log-lik {loglike})")
        passed &= float(ratio) <= 3
    return passed


def main():
    """Run the chosen cases; exit with an error if an aim was missed."""
    keys = [case.key for case in CASES] + ["memory"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(keys)}")
    parser.add_argument("--repeats", type=int, help="timed fits of this package in every case")
    parser.add_argument("--glmm-python", help="interpreter with the package glmm installed")
    chosen = parser.parse_args()
    # The number of points is the same for all, enough or not.
    warnings.simplefilter("ignore", QuadratureWarning)
    unknown = set(chosen.cases) - set(keys)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    wanted = chosen.cases or keys
    print(f"sm_gllamm {version('sm_gllamm')}, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}, {os.cpu_count()} processors; medians of CPU seconds")
    passed = [
        run_case(case, chosen.repeats, chosen.glmm_python) for case in CASES if case.key in wanted
    ]
    if "memory" in wanted:
        passed.append(run_memory())
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
