"""Response probabilities of zero: their logits run to infinity and are held far out."""

from __future__ import annotations

import numpy as np

__all__ = ["FAR", "canonical_logits", "zero_probabilities"]

#: Logits at which probabilities are held: exp(-FAR) makes no difference to any likelihood.
FAR = 40.0
#: Probabilities below this go to zero.
ZERO = 1e-7


def zero_probabilities(logits: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """Which categories have probability zero, None where they are as many as are held.

    Parameters
    ----------
    logits : ndarray, shape (K - 1,)
        Of the categories against the first one.
    held : ndarray of bool, shape (K - 1,)
    """
    # much quicker than an exponential, and called in every iteration
    if logits.max() - min(logits.min(), 0.0) < 15.0 and logits.min() > -15.0:
        return None
    full = np.concatenate([[0.0], logits])
    shares = np.exp(full - full.max())
    zero = shares / shares.sum() < ZERO
    return zero if zero.sum() > held.sum() else None


def canonical_logits(logits: np.ndarray, zero: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits with some categories at zero, and which of them are held.

    Of K categories of which z are zero, z logits are held: those of the zero categories, and where the
    reference category is among them that of the most frequent one, to which the others are relative.

    Parameters
    ----------
    logits : ndarray, shape (K - 1,)
    zero : ndarray of bool, shape (K,)

    Returns
    -------
    logits : ndarray, shape (K - 1,)
    held : ndarray of bool, shape (K - 1,)
    """
    out = np.array(logits, dtype=float)
    held = zero[1:].copy()
    if zero[0]:
        mode = int(np.argmax(np.where(zero[1:], -np.inf, logits)))
        out += FAR - logits[mode]
        held[mode] = True
        out[zero[1:]] = 0.0
    else:
        out[zero[1:]] = -FAR
    return out, held
