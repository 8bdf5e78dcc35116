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
from ours import OurFits  # noqa: E402
from peers import run_peer  # noqa: E402

from sm_gllamm.exceptions import QuadratureWarning  # noqa: E402

# A ratio counts only where the peer's own log-likelihood is ours at its estimates, by its rule ...
SAME_FUNCTION = 1e-3
# ... where its estimates are not better than ours by our rule, and where a peer that integrates as
# accurately as we do has found the maximum.
SAME_MAXIMUM = 1e-2
TITLES = ("", "points", "log-lik", "ours there", "our rule", "CPU s", "ratio", "aim")
ROW = "{:<16}{:>7}{:>17}{:>17}{:>17}{:>10}{:>8}  {}"


def line(*cells):
    """Print one line of a case's table; floats are log-likelihoods."""
    print(ROW.format(*(f"{x:.6f}" if isinstance(x, float) else x for x in cells)), flush=True)


def run_case(case, repeats, glmm_python):
    """Run one case; return False when an aim was missed."""
    print(f"\n{case.title}")
    frame = case.load()
    if frame is None:
        print("  data not available")
        return True
    line(*TITLES)
    repeats = repeats or case.repeats
    ours = OurFits(case, frame)
    ours.run(repeats)
    # our fits are timed before and after the peers', so that a busy spell does not hit one of them
    fits = [run_peer(case, peer, frame, points_of(case, peer), glmm_python) for peer in case.peers]
    ours.run(repeats)
    points = "auto" if case.n_points is None else str(case.n_points).replace(" ", "")
    line("sm_gllamm", points, ours.loglike, "", "", f"{ours.cpu:.4f}", "", "")
    passed = True
    for peer, fit in zip(case.peers, fits, strict=True):
        passed &= judge(case, peer, fit, ours)
    if case.reference is not None:
        gap = ours.loglike - case.reference
        passed &= abs(gap) <= case.within
        print(f"  distance from the converged log-likelihood {case.reference}: {gap:.2e}")
    if case.seconds is not None:
        passed &= ours.elapsed <= case.seconds
        print(f"  elapsed {ours.elapsed:.2f} s with {case.n_threads} threads, aim {case.seconds} s")
    return passed


def points_of(case, peer):
    """Quadrature points of a peer in a case."""
    return peer.n_points or case.n_points or 1


def judge(case, peer, fit, ours):
    """Compare one peer's fit with ours and print its line; return False when its aim was missed."""
    if fit is None:
        print(f"{peer.name:<16} not available")
        return True
    points = points_of(case, peer)
    there, accurate = ours.loglike_at(fit.params, points), ours.loglike_at(fit.params)
    ratio = fit.cpu / ours.cpu
    same_function = abs(there - fit.loglike) < SAME_FUNCTION + 1e-8 * abs(there)
    # by our rule the peer must not be ahead of us, nor behind if it is the peer's rule, too
    ahead = accurate - ours.loglike
    same_rule = points != 1 or case.family == "gaussian"
    counts = same_function and ahead < SAME_MAXIMUM and (not same_rule or ahead > -SAME_MAXIMUM)
    verdict = "" if counts else "  (log-likelihoods differ: no ratio)"
    if peer.aim is not None:
        verdict = f"{peer.aim:g}: {'reached' if ratio >= peer.aim else 'MISSED'}" + verdict
    shown = f"{ratio:.1f}" if counts else "-"
    name = f"{peer.name} {fit.version}"
    line(name, points, fit.loglike, there, accurate, f"{fit.cpu:.4f}", shown, verdict)
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
