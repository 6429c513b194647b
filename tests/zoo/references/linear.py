"""Linear attention and recurrences."""

import numpy as np

from tests.zoo.references.parts import CROSS, SELF, angles, causal, distance, elu_plus_one, turn
from tests.zoo.references.registry import add, both, system

ROTARY = {"J": (1, 3), "E": lambda n: 2 * n["J"], "F": (2, 5), "M": (5, 11), "M0": (2, 4)}


@system("Q[e,p] K[e,m] V[f,m]", **CROSS)
def linattn(Q, K, V):
    weights = elu_plus_one(K).T @ elu_plus_one(Q)
    return {"O": V @ (weights / weights.sum(axis=0))}


def decay(rng, n, t):
    t["LAM"] = rng.uniform(0.5, 1)


@system("Q[e,m] K[e,m] V[f,m]", decay, **SELF)
def lightning(Q, K, V, LAM):
    M = K.shape[1]
    return {"O": V @ (K.T @ Q * np.where(causal(M), LAM ** np.maximum(distance(M), 0), 0))}


def channel_decay(rng, n, t):
    t["AL"] = rng.uniform(0.3, 1, size=(n["E"], n["M"]))


@system("Q[e,m] K[e,m] V[f,m]", channel_decay, **SELF)
def gla(Q, K, V, AL):
    M = K.shape[1]
    out = np.zeros((V.shape[0], M))
    for p in range(M):
        for m in range(p + 1):
            out[:, p] += V[:, m] * (Q[:, p] * AL[:, m + 1 : p + 1].prod(axis=1) @ K[:, m])
    return {"O": out}


def steps(rng, n, t):
    t |= {"DT": rng.uniform(0.1, 1.5, size=n["M"]), "A": -rng.uniform(0.2, 1)}


@system("C[n,m] B[n,m] X[f,m]", steps, N=(2, 5), F=(2, 5), M=(5, 11), M0=(2, 4))
def ssd(C, B, X, DT, A):
    M = X.shape[1]
    out = np.zeros_like(X)
    for p in range(M):
        for m in range(p + 1):
            out[:, p] += np.exp(A * DT[m + 1 : p + 1].sum()) * DT[m] * (C[:, p] @ B[:, m]) * X[:, m]
    return {"O": out}


def gates(rng, n, t):
    t["K"] /= np.linalg.norm(t["K"], axis=0)
    t |= {"AL": rng.uniform(0.6, 1, size=n["M"]), "BE": rng.uniform(0, 1, size=n["M"])}


@system("Q[e,m] K[e,m] V[f,m]", gates, **SELF)
def gdelta(Q, K, V, AL, BE):
    state = np.zeros((V.shape[0], K.shape[0]))
    out = np.empty_like(V)
    for t in range(K.shape[1]):
        erase = np.eye(K.shape[0]) - BE[t] * np.outer(K[:, t], K[:, t])
        state = AL[t] * state @ erase + BE[t] * np.outer(V[:, t], K[:, t])
        out[:, t] = state @ Q[:, t]
    return {"O": out}


@system("Q[e,m] K[e,m] V[f,m]", both(angles, add(EPS=1e-6)), **ROTARY)
def mala(Q, K, V, CS, SN, EPS):
    q, k, scale, M = elu_plus_one(Q), elu_plus_one(K), Q.shape[0] ** -0.5, K.shape[1]
    z = scale * (k.mean(axis=1) @ q)
    return {"O": V @ ((1 + 1 / (z + EPS)) * scale / M * (turn(k, CS, SN).T @ turn(q, CS, SN)) - z / M)}


def clamp(rng, n, t):
    denominators = (np.maximum(t["K"], 0).T @ np.maximum(t["Q"], 0)).sum(axis=0)
    t |= {"T": rng.uniform(0.1, 2), "CL": np.median(denominators) + 0.1}


@system("Q[e,p] K[e,m] V[f,m]", clamp, **CROSS)
def l2vit(Q, K, V, T, CL):
    weights = np.maximum(K, 0).T @ np.maximum(Q, 0)
    return {"O": T * V @ (weights / np.maximum(weights.sum(axis=0), CL))}


@system("Q[e,m] K[e,m] V[f,m]", both(angles, add(EPS=1e-6)), **ROTARY)
def nala(Q, K, V, CS, SN, EPS):
    length = np.linalg.norm(Q, axis=0)
    out, below, M = 0, EPS, K.shape[1]
    for sign in (1, -1):
        q = np.maximum(sign * Q / length, 0) ** (3 * (0.5 + np.tanh(length)))
        k = np.maximum(sign * K**3, 0)
        out = out + V @ (turn(k, CS, SN).T @ turn(q, CS, SN)) / M
        below = below + k.mean(1) @ q
    return {"O": out / below}
