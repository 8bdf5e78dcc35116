"""Univariate and bivariate moments of responses under a model: expectations and covariances."""

from __future__ import annotations

import numpy as np

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.latent_quadrature import ConditionalItems, Testlet

__all__ = ["Margins", "ResponseVariables"]

#: Numbers of a block of nodes times moments that are held at once.
BLOCK = 4_000_000


class ResponseVariables:
    """Functions of single responses, and the products of two of different items.

    The moments are the expectations of the "single" variables, then those of the products of
    "paired" ones. For covariances all variables are kept, the wanted moments being selected last.
    """

    def __init__(self, values: list[np.ndarray], single: np.ndarray, paired: np.ndarray):
        self.values = values
        self.single, self.paired = single, paired
        counts = [v.shape[1] for v in values]
        self.item = np.repeat(np.arange(len(values)), counts)
        stops = np.cumsum(counts)
        self.slices = [slice(b - c, b) for b, c in zip(stops, counts, strict=True)]
        v = len(self.item)
        first, second = np.triu_indices(v, 1)
        keep = paired[first] & paired[second] & (self.item[first] != self.item[second])
        self.first, self.second = first[keep], second[keep]
        self.n_all = v + len(self.first)
        self.position = np.full((v, v), -1)
        self.position[self.first, self.second] = np.arange(v, self.n_all)
        self.position[self.second, self.first] = np.arange(v, self.n_all)
        self.wanted = np.concatenate([np.flatnonzero(single), np.arange(v, self.n_all)])

    @classmethod
    def of(cls, bank: ItemBank, name: str) -> ResponseVariables:
        """Variables of a statistic: indicators of categories (M2), scores (M2*), both (C2)."""
        values, single, paired = [], [], []
        for item in bank.items:
            k = item.n_categories
            indicators, score = np.eye(k)[:, 1:], np.arange(k, dtype=float)[:, None]
            if name == "M2" or k == 2:
                values.append(indicators)
                single += [True] * (k - 1)
                paired += [True] * (k - 1)
            elif name == "M2*":
                values.append(score)
                single.append(True)
                paired.append(True)
            else:
                values.append(np.hstack([indicators, score]))
                single += [True] * (k - 1) + [False]
                paired += [False] * (k - 1) + [True]
        return cls(values, np.array(single), np.array(paired))

    def of_items(self, items: tuple[int, ...]) -> ResponseVariables:
        """The variables of some items."""
        which = np.isin(self.item, items)
        return ResponseVariables(
            [self.values[j] for j in items], self.single[which], self.paired[which]
        )

    def observed(self, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """All moments of the data, shape (n_all,)."""
        x = np.hstack([v[codes[:, j]] for j, v in enumerate(self.values)])
        return self.with_pairs(weights @ x, (x * weights[:, None]).T @ x) / weights.sum()

    def with_pairs(self, means: np.ndarray, products: np.ndarray) -> np.ndarray:
        """All moments from expectations of variables (V,) and of their products (V, V)."""
        return np.concatenate([means, products[self.first, self.second]])

    def means(self, probabilities: list[np.ndarray]) -> np.ndarray:
        """Means of all variables from probabilities of responses (n, K) by item; shape (n, V)."""
        return np.hstack([p @ v for p, v in zip(probabilities, self.values, strict=True)])

    def add_independent(
        self,
        total: np.ndarray,
        probabilities: list[np.ndarray],
        weights: np.ndarray,
        centre: np.ndarray,
    ) -> None:
        """Adds covariances of all moments, items being independent given the node.

        The covariance is the mean of that given the node, plus the covariance of means given the
        node. Given a node, with c the covariances of variables (zero between items) and m their
        means, cov(x_u x_v, x_s x_t) = c_us c_vt + c_ut c_vs + c_us m_v m_t + c_ut m_v m_s
        + c_vs m_u m_t + c_vt m_u m_s for u, v of different items, and so are s, t.

        Parameters
        ----------
        total : ndarray, shape (n_all, n_all)
            Added to.
        probabilities : list of ndarray, shape (n, K)
        weights : ndarray, shape (n,)
        centre : ndarray, shape (n_all,)
            The moments.
        """
        step = max(1, BLOCK // self.n_all)
        if len(weights) > step:
            for start in range(0, len(weights), step):
                part = slice(start, start + step)
                self.add_independent(total, [p[part] for p in probabilities], weights[part], centre)
            return
        m = self.means(probabilities)
        given = np.hstack([m, m[:, self.first] * m[:, self.second]]) - centre
        total += (given * weights[:, None]).T @ given
        within = []
        for p, v, part in zip(probabilities, self.values, self.slices, strict=True):
            squares = np.einsum("nk,ku,ks->nus", p, v, v, optimize=True)
            within.append(squares - m[:, part, None] * m[:, None, part])
        for i, (part, c) in enumerate(zip(self.slices, within, strict=True)):
            total[part, part] += np.tensordot(weights, c, axes=1)
            others = np.flatnonzero((self.item != i) & self.paired)
            mo = m[:, others]
            for u in range(c.shape[1]):
                for s in range(c.shape[1]):
                    wc = weights * c[:, u, s]
                    if not self.paired[part.start + s]:
                        continue
                    columns = self.position[part.start + s, others]
                    # a variable of this item with the products of another one of it
                    row = wc @ mo
                    total[part.start + u, columns] += row
                    total[columns, part.start + u] += row
                    if self.paired[part.start + u]:
                        rows = self.position[part.start + u, others]
                        total[np.ix_(rows, columns)] += (mo * wc[:, None]).T @ mo
        self._add_same_pairs(total, within, weights)

    def _add_same_pairs(self, total, within, weights) -> None:
        """Products of the same two items: c_us c_vt."""
        inside = [np.flatnonzero(self.paired[part]) for part in self.slices]
        blocks = [
            c[:, which[:, None], which] for c, which in zip(within, inside, strict=True)
        ]  # (n, b, b)
        at = [part.start + which for part, which in zip(self.slices, inside, strict=True)]
        for i in range(len(blocks)):
            left = (blocks[i] * weights[:, None, None]).reshape(len(weights), -1)
            for j in range(i + 1, len(blocks)):
                right = blocks[j].reshape(len(weights), -1)
                bi, bj = len(at[i]), len(at[j])
                both = (left.T @ right).reshape(bi, bi, bj, bj)
                rows = self.position[np.ix_(at[i], at[j])].ravel()
                total[np.ix_(rows, rows)] += both.transpose(0, 2, 1, 3).reshape(bi * bj, bi * bj)

    def covariance(self, conditional: ConditionalItems, centre: np.ndarray) -> np.ndarray:
        """Covariances of one person's variables and products under the model.

        Parameters
        ----------
        conditional : ConditionalItems
        centre : ndarray, shape (n_all,)
            The moments.

        Returns
        -------
        ndarray, shape (n_all, n_all)
        """
        total = np.zeros((self.n_all, self.n_all))
        if all(len(testlet.weights) == 1 for testlet in conditional.testlets):
            self.add_independent(total, conditional.by_item(), conditional.weights, centre)
            return total
        parts = [_TestletVariables(self, testlet) for testlet in conditional.testlets]
        same = np.zeros(self.n_all, dtype=bool)
        for part in parts:
            same[part.at] = True
        cross = np.flatnonzero(~same)
        u, v = self.first[cross - len(self.item)], self.second[cross - len(self.item)]
        for g, weight in enumerate(conditional.weights):
            given = np.zeros_like(total)
            mean = np.zeros(self.n_all)
            for part in parts:
                mean[part.at], given[np.ix_(part.at, part.at)] = part.given(g)
            mean[cross] = mean[u] * mean[v]
            # testlets are independent given the node: the same six terms as of items
            given[:, cross] = given[:, u] * mean[v] + given[:, v] * mean[u]
            given[cross] = given[:, cross].T
            c_uu, c_vv = given[np.ix_(u, u)], given[np.ix_(v, v)]
            c_uv = given[np.ix_(u, v)]
            linear = c_uv * mean[v][:, None] * mean[u]
            given[np.ix_(cross, cross)] = (
                c_uu * c_vv
                + c_uv * c_uv.T
                + c_uu * np.outer(mean[v], mean[v])
                + c_vv * np.outer(mean[u], mean[u])
                + linear
                + linear.T
            )
            total += weight * (given + np.outer(mean - centre, mean - centre))
        return total


class Margins:
    """Moments under the model, and their derivatives in probabilities at the nodes."""

    def __init__(self, variables: ResponseVariables, conditional: ConditionalItems):
        self.variables, self.conditional = variables, conditional
        self.means = variables.means(conditional.by_item())
        #: Of testlets with a latent variable of their own: their variables, means of these at all
        #: nodes and weights of the nodes.
        self.inside = []
        for testlet in conditional.testlets:
            where = np.flatnonzero(np.isin(variables.item, testlet.items))
            at_nodes = [
                p @ variables.values[j]
                for j, p in zip(testlet.items, testlet.probabilities, strict=True)
            ]
            joint = np.outer(conditional.weights, testlet.weights).ravel()
            self.inside.append(
                (where, np.concatenate(at_nodes, axis=2).reshape(-1, len(where)), joint)
            )

    def expected(self) -> np.ndarray:
        """All moments, shape (n_all,)."""
        w = self.conditional.weights
        products = (self.means * w[:, None]).T @ self.means
        for (where, means, joint), testlet in zip(
            self.inside, self.conditional.testlets, strict=True
        ):
            if len(testlet.weights) > 1:
                products[np.ix_(where, where)] = (means * joint[:, None]).T @ means
        return self.variables.with_pairs(w @ self.means, products)

    def derivative(self, changes: dict[int, np.ndarray]) -> np.ndarray:
        """Derivative of all moments from those of probabilities at nodes.

        Parameters
        ----------
        changes : dict of ndarray, shape (n m, K)
            By item, at the nodes of its testlet.

        Returns
        -------
        ndarray, shape (n_all,)
        """
        v, w = self.variables, self.conditional.weights
        single, products = np.zeros(len(v.item)), np.zeros((len(v.item), len(v.item)))
        for (where, means, joint), testlet in zip(
            self.inside, self.conditional.testlets, strict=True
        ):
            for j in testlet.items:
                if j not in changes:
                    continue
                change = changes[j] @ v.values[j]
                outer = change.reshape(len(w), -1, change.shape[1])
                outer = np.einsum("nmv,m->nv", outer, testlet.weights)
                single[v.slices[j]] = w @ outer
                products[v.slices[j]] = (outer * w[:, None]).T @ self.means
                if len(testlet.weights) > 1:
                    products[v.slices[j], where] = (change * joint[:, None]).T @ means
        return v.with_pairs(single, products + products.T)


class _TestletVariables:
    """The variables of the items of a testlet, and products within it."""

    def __init__(self, variables: ResponseVariables, testlet: Testlet):
        self.testlet = testlet
        self.inside = variables.of_items(testlet.items)
        where = np.flatnonzero(np.isin(variables.item, testlet.items))
        products = variables.position[where[self.inside.first], where[self.inside.second]]
        #: Positions among all variables and products.
        self.at = np.concatenate([where, products])

    def given(self, g: int) -> tuple[np.ndarray, np.ndarray]:
        """Moments and their covariances given a node of the general latent variables."""
        probabilities = [p[g] for p in self.testlet.probabilities]
        weights = self.testlet.weights
        means = self.inside.means(probabilities)
        mean = self.inside.with_pairs(weights @ means, (means * weights[:, None]).T @ means)
        covariance = np.zeros((len(mean), len(mean)))
        self.inside.add_independent(covariance, probabilities, weights, mean)
        return mean, covariance
