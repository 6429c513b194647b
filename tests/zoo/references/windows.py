"""Attention within windows, tiles and sampled places, and attention over several sets of keys at once."""

import itertools

import numpy as np

from tests.zoo.references.parts import attend, causal, padded, softmax, unit, window
from tests.zoo.references.registry import system

MAXVIT = {"Y0": (2, 3), "X0": (2, 3), "Y1": (1, 3), "X1": (2, 3), "E": (2, 4), "F": (3, 5)}
MAXVIT |= {"Y": lambda n: n["Y0"] * n["Y1"], "X": lambda n: n["X0"] * n["X1"]}
MAXVIT |= {"A": lambda n: 2 * n["Y0"] - 1, "B": lambda n: 2 * n["X0"] - 1}


def windowed(Q, K, V, RB, rows, columns):
    """Attention within the sets of rows and columns, with a bias of the relative place in the set."""
    out = np.zeros_like(V)
    for r, c in itertools.product(rows, columns):
        places = list(itertools.product(range(len(r)), range(len(c))))
        h, w = (RB.shape[0] + 1) // 2, (RB.shape[1] + 1) // 2
        bias = np.array([[RB[a[0] - b[0] + h - 1, a[1] - b[1] + w - 1] for b in places] for a in places])
        ys, xs = np.array([r[a] for a, _ in places]), np.array([c[b] for _, b in places])
        out[:, ys, xs] = attend(Q[:, ys, xs], K[:, ys, xs], V[:, ys, xs], bias=bias)
    return {"O": out}


@system("Q[e,y,x] K[e,y,x] V[f,y,x] RB[a,b]", **MAXVIT)
def maxvit_block(Q, K, V, RB, n):
    rows, columns = (
        [range(i, min(i + size, length)) for i in range(0, length, size)]
        for length, size in zip(Q.shape[1:], (n["Y0"], n["X0"]), strict=True)
    )
    return windowed(Q, K, V, RB, rows, columns)


@system("Q[e,y,x] K[e,y,x] V[f,y,x] RB[a,b]", **MAXVIT)
def maxvit_grid(Q, K, V, RB, n):
    rows, columns = (
        [range(i, length, step) for i in range(step)]
        for length, step in zip(Q.shape[1:], (n["Y1"], n["X1"]), strict=True)
    )
    return windowed(Q, K, V, RB, rows, columns)


@system("Q[e,y,x] K[e,y,x] V[f,y,x]", E=(2, 4), F=(3, 5), Y=(4, 6), X=(5, 7), U=[1, 3], V=[3, 5], DIL=(1, 2))
def msaconv(Q, K, V, n):
    _, height, width = Q.shape
    u, v, step = n["U"], n["V"], n["DIL"]
    far = step * max(u, v)
    k, val, out = padded(K, far, far), padded(V, far, far), np.zeros_like(V)
    for y, x in itertools.product(range(height), range(width)):
        ys = far + y + step * (np.arange(u) - u // 2)
        xs = far + x + step * (np.arange(v) - v // 2)
        keys, values = (a[:, ys][:, :, xs].reshape(len(a), -1) for a in (k, val))
        out[:, y, x] = values @ softmax(Q[:, y, x] @ keys)
    return {"O": out}


@system("Q[e,y,x] K[e,y,x] V[f,y,x]", E=(2, 4), F=(3, 5), Y=(3, 6), X=(4, 7), U=(2, 3), V=(3, 4))
def na2d(Q, K, V, n):
    _, height, width = Q.shape
    out = np.zeros_like(V)
    for y, x in itertools.product(range(height), range(width)):
        at = np.ix_(window(y, n["U"], height), window(x, n["V"], width))
        keys, values = (a[(slice(None), *at)].reshape(len(a), -1) for a in (K, V))
        out[:, y, x] = values @ softmax(Q[:, y, x] @ keys)
    return {"O": out}


NA1D = {"W": (3, 4), "DL": (1, 3), "OVER": [0, 1, 4], "M": lambda n: n["DL"] * n["W"] + n["OVER"], "W0": 2}


@system("Q[e,m] K[e,m] V[f,m]", **NA1D, E=3, F=4)
def na1d_dil(Q, K, V, W, DL):
    out = np.zeros_like(V)
    for phase in range(DL):
        group = np.arange(phase, Q.shape[1], DL)
        for place, p in enumerate(group):
            near = group[window(place, W, len(group))]
            out[:, p] = V[:, near] @ softmax(Q[:, p] @ K[:, near])
    return {"O": out}


@system(
    "Q[c,y,x] KK[c,k] WP[u,v,k] RPB[a,b] V[f,y,x]",
    C=(2, 4), F=(3, 5), Y=(3, 6), X=(4, 7), K=(3, 4), U=(2, 3), V=(3, 4),
    A=lambda n: 2 * n["U"] - 1, B=lambda n: 2 * n["V"] - 1,
)  # fmt: skip
def contmix(Q, KK, WP, RPB, V):
    (_, height, width), (rows, columns, _) = Q.shape, WP.shape
    out = np.zeros_like(V)
    for y, x in itertools.product(range(height), range(width)):
        ys, xs = window(y, rows, height), window(x, columns, width)
        logits = WP @ (KK.T @ Q[:, y, x]) + RPB[np.ix_(ys - y + rows - 1, xs - x + columns - 1)]
        out[:, y, x] = np.tensordot(V[:, ys][:, :, xs], softmax(logits.ravel()).reshape(logits.shape), 2)
    return {"O": out}


def lengths(rng, n, t):
    t["LS"] = np.abs(rng.normal(size=(n["Y"], n["X"]))) + 1


@system(
    "Q[e,y,x] K[e,y,x] V[f,y,x] KP[e,j] VP[f,j] QE[e] TE BL[u,v] BP[j,y,x] LT[e,u,v] LB[u,v]", lengths,
    E=(2, 4), F=(3, 5), Y=(2, 4), X=(4, 5), J=(3, 5), U=3, V=3, J0=2,
)  # fmt: skip
def aggattn(Q, K, V, KP, VP, QE, TE, LS, BL, BP, LT, LB):
    _, height, width = Q.shape
    q, k, pooled, out = unit(Q), unit(K), unit(KP), np.zeros_like(V)
    for y, x in itertools.product(range(height), range(width)):
        asked = (q[:, y, x] + QE) * np.log1p(np.exp(TE)) * LS[y, x]
        near = [(u, v) for u in range(3) for v in range(3) if 0 <= y + u - 1 < height and 0 <= x + v - 1 < width]
        local = [asked @ k[:, y + u - 1, x + v - 1] + BL[u, v] for u, v in near]
        weights = softmax(np.concatenate([local, asked @ pooled + BP[:, y, x]]))
        out[:, y, x] = VP @ weights[len(near) :]
        for weight, (u, v) in zip(weights, near, strict=False):
            learned = q[:, y, x] @ LT[:, u, v] + LB[u, v]
            out[:, y, x] += (weight + learned) * V[:, y + u - 1, x + v - 1]
    return {"O": out}


def faces(rng, n, t):
    t["MG"] = rng.uniform(0.1, 0.9, size=(n["I"], n["S"]))


@system(
    "QV[e,i,s] KA[e,i,k] VA[f,i,k] QA[e,z] KV[e,i,s] VV[f,i,s]", faces,
    E=(2, 4), F=(3, 5), I=(2, 4), S=(3, 5), K=(2, 3), D=(1, 3), N0=2, Z=lambda n: n["I"] * n["K"],
)  # fmt: skip
def uniavgen(QV, KA, VA, MG, QA, KV, VV, D):
    frames, tokens = KA.shape[1:]
    video, audio = [], []
    for i in range(frames):
        near = np.clip(i + np.arange(D) - D // 2, 0, frames - 1)
        keys, values = (a[:, near].reshape(len(a), -1) for a in (KA, VA))
        video.append(attend(QV[:, i], keys, values) * MG[i])
    for j in range(frames * tokens):
        i, share = j // tokens, j % tokens / tokens
        k, v = ((1 - share) * a[:, i] + share * a[:, min(i + 1, frames - 1)] for a in (KV, VV))
        audio.append(attend(QA[:, j : j + 1], k, v)[:, 0])
    return {"A2V": np.stack(video, 1), "V2A": np.stack(audio, 1)}


def sampled(rng, n, t):
    for size, place, whole in (("HS", "LY", "Y"), ("WS", "LX", "X")):
        t[size] = rng.integers(2, n[whole] + 1, size=n["L"])
        t[place] = rng.uniform(-0.1, 1.1, size=(n["P"], n["L"], n["K"]))


@system("V[f,l,y,x] LG[p,l,k]", sampled, F=(1, 4), L=(1, 3), K=(1, 4), P=(1, 5), Y=(3, 6), X=(3, 6), A=2, B=2)
def msdeform(V, HS, WS, LX, LY, LG):
    F, L = V.shape[:2]
    P, _, K = LG.shape
    weights = softmax(LG.reshape(P, -1), 1).reshape(LG.shape)
    out = np.zeros((F, P))
    for p, level, k in np.ndindex(P, L, K):
        around = padded(V[:, level, : int(HS[level]), : int(WS[level])], 2, 2)
        y, x = LY[p, level, k] * HS[level] + 1.5, LX[p, level, k] * WS[level] + 1.5
        i, j = int(y), int(x)
        corners = around[:, i : i + 2, j : j + 2]
        out[:, p] += weights[p, level, k] * np.einsum("fij,i,j->f", corners, [i + 1 - y, y - i], [j + 1 - x, x - j])
    return {"O": out}


@system("Q[e,m] K[e,m] V[f,m]", E=(3, 4), F=(2, 5), M=(8, 11), R=(2, 4), A0=2)
def grid(Q, K, V, R):
    out = np.zeros_like(V)
    for phase in range(R):
        q, k, v = (a[:, phase::R] for a in (Q, K, V))
        out[:, phase::R] = attend(q, k, v, causal(q.shape[1]))
    return {"AV": out}


def block_mask(rng, n, t):
    tokens = n["T"] * n["Y"] * n["X"]
    mask = rng.uniform(size=(-(-tokens // n["P0"]), -(-tokens // n["M0"]))) < 0.6
    if rng.uniform() < 0.5:
        mask[0] = False  # queries without a key give 0
    t["LM"] = mask


@system(
    "Q[e,t,y,x] K[e,t,y,x] V[f,t,y,x]", block_mask,
    E=(3, 4), F=(2, 5), T=2, Y=(2, 3), X=(3, 4), M0=(3, 4), P0=(4, 5),
)  # fmt: skip
def paro(Q, K, V, LM, n):
    _, frames, height, width = Q.shape
    q, k, v = (a.transpose(0, 3, 1, 2).reshape(len(a), -1) for a in (Q, K, V))
    row, column = np.arange(q.shape[1]) // n["P0"], np.arange(q.shape[1]) // n["M0"]

    def rounded(a, block):
        scale = np.array([np.abs(a[:, block == b]).max() / 127 for b in block])
        return np.round(a / scale), scale

    (qi, qs), (ki, ks) = rounded(q, row), rounded(k, column)
    weights = softmax((ki.T @ qi) * ks[:, None] * qs, 0, LM[row][:, column].T > 0)
    return {"O": (v @ weights).reshape(len(v), width, frames, height).transpose(0, 2, 3, 1)}
