"""Responses to LSAT sections 6 and 7 and 2PL items fitted to them without the package's engine."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, logsumexp

from sm_gllamm.items.bank import Item, ItemBank

#: Bock & Lieberman (1970), Psychometrika 35:179: persons by pattern, the last item fastest.
LSAT7_COUNTS = """
12 19 1 7 3 19 3 17 10 5 3 7 7 23 8 28 7 39 11 34 14 51 15 90 6 25 7 35 18 136 32 308
"""
PATTERNS = np.array(np.meshgrid(*[[0, 1]] * 5, indexing="ij")).reshape(5, -1).T
LSAT7_WEIGHTS = np.array(LSAT7_COUNTS.split(), dtype=float)

NODES = np.linspace(-8.5, 8.5, 341)
LOG_WEIGHTS = -0.5 * NODES**2 - logsumexp(-0.5 * NODES**2)


def log_joint(params, codes):
    """Log-likelihoods at nodes plus log node weights; params are intercepts, then slopes."""
    n = codes.shape[1]
    slopes = params[n:] if len(params) == 2 * n else np.full(n, params[n])
    nu = params[:n, None] + slopes[:, None] * NODES
    return codes @ log_expit(nu) + (1 - codes) @ log_expit(-nu) + LOG_WEIGHTS


def fit(codes, weights, common_slope=False):
    """Maximum likelihood estimates: intercepts, then slopes (or the common one)."""
    n = codes.shape[1]
    start = np.concatenate([np.zeros(n), np.ones(1 if common_slope else n)])

    def objective(params):
        joint = log_joint(params, codes)
        marginal = logsumexp(joint, axis=1)
        posterior = np.exp(joint - marginal[:, None])
        slopes = params[n:] if not common_slope else np.full(n, params[n])
        p = 1 / (1 + np.exp(-(params[:n, None] + slopes[:, None] * NODES)))
        # score by item: sum over persons and nodes of posterior (y - P) (1, theta)
        at_nodes = weights @ posterior
        right = (codes * weights[:, None]).T @ posterior - at_nodes * p
        gradient = np.concatenate([right.sum(axis=1), right @ NODES])
        if common_slope:
            gradient = np.append(gradient[:n], gradient[n:].sum())
        return -(weights @ marginal), -gradient

    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-7})
    return found.x


def bank_at(params, n=5):
    """ItemBank of the parameters of `fit`."""
    slopes = params[n:] if len(params) == 2 * n else np.full(n, params[n])
    return ItemBank(
        tuple(
            Item(f"item_{j + 1}", "binary", "2PL", slopes[j : j + 1], params[j : j + 1])
            for j in range(n)
        )
    )


def eap(params, codes):
    """Posterior means, shape (N, 1)."""
    joint = log_joint(params, codes)
    posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return (posterior @ NODES)[:, None]
