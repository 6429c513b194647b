"""Systems that choose: keys, blocks, tokens, columns, diagonals."""

import numpy as np

from tests.zoo.references.parts import CROSS, attend, block_means, causal, distance, gelu, largest, softmax, unit
from tests.zoo.references.registry import add, both, system


def thresholds(rng, n, t):
    t |= {"TC": 0.05, "TB": rng.choice([0.05, 0.8])}


@system(
    "Q[e,p] K[e,m] V[f,m] CQ[c,e] CK[c,e] PN[m,n] PB[m,n]", thresholds,
    **CROSS, C=(1, 3), N=(2, 4), J=(1, 5), J0=(2, 3),
)  # fmt: skip
def sparsifiner(Q, K, V, CQ, CK, PN, PB, TC, TB, J):
    connect = softmax(((CK @ K) @ PN).T @ (CQ @ Q))
    basis = np.abs(PB)
    scores = np.where(basis > TB, basis, 0) @ np.where(connect > TC, connect, 0)
    out = np.empty((V.shape[0], Q.shape[1]))
    for p in range(Q.shape[1]):
        kept = largest(scores[:, p], J)
        out[:, p] = V[:, kept] @ softmax(Q[:, p] @ K[:, kept])
    return {"AV": out}


def similarity(rng, n, t):
    t |= {"TH": rng.uniform(0.2, 0.7), "EPS": 1e-6, "SHARE": 0.4}


@system("Q[h,e,m] K[h,e,m] V[h,f,m]", similarity, H=(1, 2), E=(3, 4), F=(2, 3), M=(7, 9), N=(2, 3))
def vmoba(Q, K, V, TH, EPS, N):
    block = np.arange(Q.shape[2]) // N
    chosen, outs = [], []
    for q, k, v in zip(Q, K, V, strict=True):
        near = block_means(k, N).T @ q  # [c,p]
        near = (near - near.min()) / (near.max() - near.min())
        own = np.arange(len(near))[:, None] == block
        target = max(TH - near[own].sum() / (near.sum() + EPS), 0)
        rest = np.where(own, 0, near)
        order = np.argsort(-rest, axis=None, kind="stable")
        mass = np.cumsum(rest.ravel()[order]) / (near.sum() + EPS)
        enough = np.flatnonzero(mass >= target)
        kept = own.ravel().copy()
        kept[order[: (enough[0] if len(enough) else len(order) - 1) + 1]] = True
        chosen.append(kept.reshape(own.shape))
        outs.append(attend(q, k, v, chosen[-1][block]))
    return {"SEL": np.stack(chosen, 1).astype(float), "AV": np.stack(outs)}


@system("Q[e,m] K[e,m] V[f,m]", E=(3, 4), F=(2, 5), M=(7, 9), N=(2, 3), J=(1, 3))
def moba_topk(Q, K, V, N, J):
    M = Q.shape[1]
    block = np.arange(M) // N
    near = block_means(K, N).T @ Q
    near[block, np.arange(M)] = np.inf
    kept = np.zeros(near.shape, bool)
    for p in range(M):
        kept[largest(near[:, p], J), p] = True
    return {"AV": attend(Q, K, V, kept[block])}


@system("Q[l,h,e] K[l,h,e,m] X[d,m]", L=[1, 3], H=(1, 2), E=(3, 4), M=(8, 9), D=(2, 6), I=[1, 3, 4], M0=3)
def vtc_cls(Q, K, X, n):
    rows = softmax(np.einsum("lhe,lhem->lhm", Q, K), 2)
    best = np.sort(largest(rows.mean(1).sum(0)[1:], n["I"]))
    return {"IDX": best.astype(float), "XK": X[:, 1:][:, best]}


@system("TX[d,t] ZV[d,n] XV[d,n]", add(AL=0.5, TT=0.4, TV=0.6), D=(3, 4), T=(2, 3), N=(6, 7), K=[1, 3, 4])
def mmtok(TX, ZV, XV, AL, TT, TV, K):
    tx, zv, xv = unit(TX), unit(ZV), unit(XV)
    cover = [softmax(tx.T @ xv / TT, 1) / tx.shape[1], AL * softmax(zv.T @ zv / TV, 1) / zv.shape[1]]
    rows = np.concatenate(cover)
    reached, picks = np.zeros(len(rows)), []
    for _ in range(K):
        gain = {c: np.maximum(rows[:, c] - reached, 0).sum() for c in range(rows.shape[1]) if c not in picks}
        picks.append(max(gain, key=gain.__getitem__))
        reached = np.maximum(reached, rows[:, picks[-1]])
    return {"SEL": np.array(picks, float)}


def special(rng, n, t):
    t["SP"] = rng.integers(0, 2, n["M"])


@system(
    "X[d,m] PO[d,n] WQ[e,d] WK[e,d] WV[f,d]", special,
    D=(3, 4), N=(4, 5), M=(7, 8), E=(2, 3), F=(3, 4), PRE=(2, 5), M0=3,
)  # fmt: skip
def croc(X, PO, SP, WQ, WK, WV, PRE):
    Y, M = X.copy(), X.shape[1]
    for m in np.flatnonzero(SP):
        Y[:, m] = PO[:, np.argmin(np.linalg.norm(PO - Y[:, [m]], axis=0))]
    keep = causal(M) | (np.arange(M) < PRE)[:, None]
    return {"AV": attend(WQ @ Y, WK @ Y, WV @ Y, keep)}


@system("Q[e,m] K[e,m] V[f,m]", E=(3, 4), F=(2, 5), M=(8, 11), L=[1, 3], J=[1, 3], S=(1, 2), M0=3, N0=4)
def vslash(Q, K, V, L, J, S):
    M = Q.shape[1]
    m, p = np.arange(M)[:, None], np.arange(M)
    weights = softmax(K.T @ Q, 0, causal(M))[:, M - L :]
    slashes = np.array([weights[distance(M)[:, M - L :] == d].sum() for d in range(M)])
    columns, diagonals = largest(weights.sum(1), J), largest(slashes, S)
    kept = np.isin(m, columns) | np.isin(p - m, diagonals) | (m == p)
    return {"AV": attend(Q, K, V, causal(M) & kept)}


def some_image(rng, n, t):
    t["IMG"] = np.arange(n["M"]) < rng.choice([1, 4])


@system(
    "X[d,m] W1[u,g] W2[c,u] Q[e,m] K[e,m] V[f,m]", some_image,
    D=(3, 4), G=lambda n: 2 * n["D"], U=(4, 5), C=2, E=(2, 4), F=(3, 5), M=(8, 9), T0=4, T1=[5, 7], M0=3,
)  # fmt: skip
def dyvte(X, W1, W2, Q, K, V, IMG, T0, T1):
    stay, leave = W2 @ gelu(W1 @ np.concatenate([X[:, T0:T1].mean(1), X[:, -1]]))
    keep = causal(len(IMG))
    if stay < leave:
        keep = keep & (IMG == 0)[:, None]
    return {"AV": attend(Q, K, V, keep)}


def focus_threshold(rng, n, t):
    t["TH"] = rng.uniform(0.1, 0.6)


@system(
    "Q[e,m] K[e,m] V[f,m]", focus_threshold,
    E=(3, 4), F=(2, 5), N=(3, 5), T=(2, 4), M=lambda n: n["N"] + n["T"], M0=3,
)  # fmt: skip
def cmai(Q, K, V, TH, N):
    weights = softmax(K.T @ Q, 0, causal(K.shape[1]))  # [m,p]
    focus = weights[:N, N:] @ weights[N:, N:]
    weights[:N, N:][focus < TH * focus.max(0)] = 0
    return {"O": V @ (weights / weights.sum(0))}


def sinks(rng, n, t):
    t |= {"IMG": rng.integers(0, 2, n["M"]), "SK": rng.uniform(size=n["M"]) < 0.3}


@system(
    "Q[e,m] K[e,m] V[f,m]", both(sinks, add(PK=0.6, RHO=0.5, SUMM=0.2, EPS=1e-6)),
    E=(3, 4), F=(2, 5), M=(7, 10), M0=3,
)  # fmt: skip
def var(Q, K, V, IMG, SK, PK, RHO, SUMM, EPS):
    image, sink = IMG > 0, SK > 0
    weights = softmax(K.T @ Q, 0, causal(len(image)))  # [m,p]
    for row in weights.T:  # views: changed in place
        seen = row[image].sum()
        if seen < SUMM or row[image & sink].sum() / (seen + EPS) > RHO:
            continue
        given = (1 - PK) * row[sink].sum() * row[image & ~sink] / row[image & ~sink].sum()
        row[sink] *= PK
        row[image & ~sink] += given
    return {"O": V @ weights}
