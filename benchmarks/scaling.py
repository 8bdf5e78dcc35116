"""Time of a Newton iteration as rows, nodes and parameters grow.

Two-parameter logistic items, one factor. An iteration is one placement of the nodes with log-likelihood,
score and exact Hessian at the estimates' neighbourhood. Prints seconds of CPU time on one thread and the
exponent by which they grow with rows, nodes and items (parameters and rows at once).
"""

import time

import data
import numpy as np

from sm_gllamm.api import GLLAMM, Latent
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature


def iteration(n_persons, n_items, n_points, repeats=5):
    """Return the median CPU seconds of an iteration, and the number of parameters."""
    frame = data.items(n_persons, n_items, seed=5)
    factor = Latent("ability", "person", "0 + item")
    model = GLLAMM.from_formula("y ~ 0 + item", frame, latent=[factor], family="binomial")
    likelihood = MarginalLikelihood(model.assembly.problem, model.mapping, 1)
    likelihood.use(Quadrature("mode", ((LevelRule("hermite", n_points),),)))
    theta = model.mapping.theta(model.start_params)
    seconds = []
    for repeat in range(repeats):
        # the modes have to be found again at another point, as in a fit
        moved = theta + 0.01 * (repeat + 1)
        start = time.process_time()
        likelihood.place(moved)
        likelihood.evaluate(moved, 2)
        seconds.append(time.process_time() - start)
    return float(np.median(seconds)), len(theta)


def table(title, settings, size):
    """Print the times of some settings and the exponent of their growth with `size`."""
    print(f"\n{title}\n{'persons':>9} {'items':>6} {'nodes':>6} {'parameters':>11} {'seconds':>9}")
    seconds = []
    for n_persons, n_items, n_points in settings:
        value, k = iteration(n_persons, n_items, n_points)
        seconds.append(value)
        print(f"{n_persons:>9,} {n_items:>6} {n_points:>6} {k:>11} {value:>9.4f}")
    sizes = np.log([size(setting) for setting in settings])
    print(f"grows with the power {np.polyfit(sizes, np.log(seconds), 1)[0]:.2f}")


def main():
    """Print three tables."""
    table("rows", [(n, 10, 16) for n in (2_000, 8_000, 32_000, 128_000)], lambda s: s[0])
    table("nodes", [(8_000, 10, n) for n in (8, 16, 32, 64)], lambda s: s[2])
    table("items", [(8_000, n, 16) for n in (5, 10, 20, 40)], lambda s: s[1])


if __name__ == "__main__":
    main()
