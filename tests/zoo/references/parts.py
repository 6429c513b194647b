"""What the references share, written from the definitions."""

import numpy as np

SELF = {"E": (2, 5), "F": (2, 5), "M": (5, 11), "M0": (2, 4)}
"""Sizes of attention of a sequence to itself; tiles of M0 rarely divide M."""

CROSS = {**SELF, "P": (1, 6)}


def softmax(logits, axis=0, keep=True):
    """Weights along an axis; what is not kept, or -inf, counts as absent, and a line without anything gives zeros."""
    logits = np.where(keep, logits, -np.inf)
    top = logits.max(axis=axis, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0))
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total > 0, total, 1)


def attend(Q, K, V, keep=True, bias=0.0):
    """Q[e,p], K[e,m], V[f,m], keep[m,p], bias[m,p] -> [f,p]."""
    return V @ softmax(K.T @ Q + bias, 0, keep)


def causal(M):
    """[m,p]: key m is not after query p."""
    return np.tri(M, dtype=bool).T


def distance(M):
    """[m,p]: p - m."""
    return np.arange(M) - np.arange(M)[:, None]


def logistic(x):
    return (1 + np.tanh(x / 2)) / 2


def elu_plus_one(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def gelu(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def unit(x):
    """Columns of length 1."""
    return x / np.linalg.norm(x, axis=0)


def turn(X, CS, SN):
    """Pairs of channels (2j, 2j+1) of X[e,t] turned by the angle whose cosine and sine are CS[j,t], SN[j,t]."""
    turned = (X[0::2] + 1j * X[1::2]) * (CS + 1j * SN)
    return np.stack([turned.real, turned.imag], axis=1).reshape(X.shape)


def angles(rng, n, t):
    """A fill: cosines and sines of angles of J pairs at M places."""
    angle = rng.uniform(0, 2 * np.pi, size=(n["J"], n["M"]))
    t |= {"CS": np.cos(angle), "SN": np.sin(angle)}


def largest(values, count):
    """Positions of the `count` largest, descending; of equal ones the first."""
    return np.argsort(-values, kind="stable")[:count]


def normalised(X, G, B, EPS):
    """Layer norm of the columns of X[d,p]."""
    return (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + EPS) * G[:, None] + B[:, None]


def block_means(x, size):
    """x[...,m] -> [...,c]: the mean of each block, the last one of what it has."""
    return np.stack([x[..., at : at + size].mean(-1) for at in range(0, x.shape[-1], size)], -1)


def padded(x, before, after, value=0.0):
    """The last two axes padded by the same amounts."""
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(before, after)] * 2, constant_values=value)


def convolve(X, W):
    """X[c,y,x] and W[r,c,u,v] -> [r,y,x], zeros around, window centred at (U//2, V//2)."""
    (_, height, width), (U, V) = X.shape, W.shape[2:]
    around = np.pad(X, ((0, 0), (U // 2, U), (V // 2, V)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (U, V), axis=(1, 2))[:, :height, :width]
    return np.einsum("rcuv,chwuv->rhw", W, windows)


def depthwise(X, W):
    """X[c,y,x], W[c,u,v]: each channel by itself."""
    return np.concatenate([convolve(x[None], w[None, None]) for x, w in zip(X, W, strict=True)])


def window(centre, taps, length):
    """Coordinates of a window that is shifted inwards at the borders."""
    start = min(max(centre - taps // 2, 0), length - taps)
    return np.arange(start, start + taps)
