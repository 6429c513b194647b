"""Normalisations, blocks, experts, and the convolutional gates."""

import numpy as np

from tests.zoo.references.parts import (
    CROSS,
    attend,
    causal,
    convolve,
    depthwise,
    gelu,
    largest,
    logistic,
    normalised,
    padded,
)
from tests.zoo.references.parts import softmax as weights_of
from tests.zoo.references.registry import add, system


@system("X[m,p]", M=(1, 11), P=(1, 4), M0=(2, 4))
def softmax(X):
    return {"A": weights_of(X)}


@system("X[d,p] G[d] B[d]", add(EPS=1e-3), D=(2, 7), P=(1, 4))
def layernorm(X, G, B, EPS):
    return {"Y": normalised(X, G, B, EPS)}


@system("X[d,p] G[d] W[o,d]", add(EPS=1e-3), D=(2, 7), O=(1, 5), P=(1, 4))
def rmsnorm_linear(X, G, W, EPS):
    return {"Z": W @ (X / np.sqrt((X**2).mean(axis=0) + EPS) * G[:, None])}


def after_attention(X, G1, B1, WQ, WK, WV, WO, EPS):
    """A block up to its first sum: what is fed forward, before its own normalisation."""
    Y = normalised(X, G1, B1, EPS)
    heads = zip(WQ, WK, WV, WO.swapaxes(0, 1), strict=True)
    keep = causal(X.shape[1])
    return X + sum(o @ attend(q @ Y / np.sqrt(len(q)), k @ Y, v @ Y, keep) for q, k, v, o in heads)


BLOCK = "X[d,m] G1[d] B1[d] WQ[h,e,d] WK[h,e,d] WV[h,f,d] WO[d,h,f] G2[d] B2[d] WU[u,d] WD[d,u]"
BLOCK_SIZES = {"D": (3, 6), "H": (1, 3), "E": (1, 4), "F": (1, 4), "U": (2, 6), "M": (5, 9), "M0": (2, 4)}


@system(BLOCK, add(EPS=1e-3), **BLOCK_SIZES)
def block_gelu(X, G1, B1, WQ, WK, WV, WO, G2, B2, WU, WD, EPS):
    Z = after_attention(X, G1, B1, WQ, WK, WV, WO, EPS)
    return {"Y": Z + WD @ gelu(WU @ normalised(Z, G2, B2, EPS))}


@system(f"{BLOCK} WG[u,d]", add(EPS=1e-3), **BLOCK_SIZES)
def block_swiglu(X, G1, B1, WQ, WK, WV, WO, G2, B2, WU, WG, WD, EPS):
    Z = after_attention(X, G1, B1, WQ, WK, WV, WO, EPS)
    Y = normalised(Z, G2, B2, EPS)
    gate = WG @ Y
    return {"Y": Z + WD @ (gate * logistic(gate) * (WU @ Y))}


def equal_logits(rng, n, t):
    if rng.random() < 0.5:
        t |= {"X": np.round(t["X"]), "WR": np.round(t["WR"])}
    t["SHARE"] = n["J"] / n["N"]


@system("X[d,p] WR[n,d] W1[n,u,d] W2[n,d,u]", equal_logits, N=(3, 6), D=(2, 5), U=(2, 5), P=(1, 5), J=(1, 3))
def moe(X, WR, W1, W2, J):
    Y = np.zeros_like(X)
    for p, x in enumerate(X.T):
        logits = WR @ x
        chosen = largest(logits, J)
        for weight, n in zip(weights_of(logits[chosen]), chosen, strict=True):
            Y[:, p] += weight * (W2[n] @ gelu(W1[n] @ x))
    return {"Y": Y}


@system(
    "XT[d,p] WG[r,d] W0[z,d] W1[s,d] Q[h,e,p] K[h,e,m] V[h,f,m]",
    **CROSS, D=(2, 5), S=(1, 3), R=(4, 5), Z=2, KT=(2, 3), H=lambda n: n["S"] + n["R"],
)  # fmt: skip
def moh(XT, WG, W0, W1, Q, K, V, KT):
    S, R, P = len(W1), len(WG), XT.shape[1]
    gate = np.zeros((S + R, P))
    shared, routed = 2 * weights_of(W0 @ XT)
    gate[:S] = shared * S * weights_of(W1 @ XT)
    for p in range(P):
        scores = weights_of(WG @ XT[:, p])
        chosen = largest(WG @ XT[:, p], KT)
        gate[S + chosen, p] = routed[p] * KT * scores[chosen] / scores[chosen].sum()
    return {"O": gate[:, None] * np.stack([attend(q, k, v) for q, k, v in zip(Q, K, V, strict=True)])}


def modalities(rng, n, t):
    t["SG"] = np.sort(rng.integers(0, n["Z"], n["P"]))


@system("X[d,p] W0[z,u,d] W1[z,u,d] W2[z,d,u]", modalities, D=(3, 4), U=(4, 5), Z=(2, 3), P=(5, 7))
def modffn(X, SG, W0, W1, W2):
    pairs = zip(X.T, SG.astype(int), strict=True)
    return {"Y": np.stack([W2[z] @ (gelu(W0[z] @ x) * (W1[z] @ x)) for x, z in pairs], 1)}


@system("X[c,m] GS[g,m] WX[r,c] WG[r,g] PS[r] B", C=(3, 4), G=(4, 5), R=(2, 3), M=(6, 8))
def attgate(X, GS, WX, WG, PS, B):
    return {"O": X * logistic(PS @ np.maximum(WX @ X + WG @ GS, 0) + B)}


@system(
    "G[i,j] X[c,h,w] WG[c] BG[c]",
    C=(1, 4), I=(3, 8), J=(3, 8), A=(1, 3), B=(1, 3),
    H=lambda n: -(-n["I"] // n["A"]), W=lambda n: -(-n["J"] // n["B"]),
)  # fmt: skip
def medusa(G, X, WG, BG):
    (rows, columns), (height, width) = G.shape, X.shape[1:]
    A, B = -(-rows // height), -(-columns // width)
    pooled = [[G[y * A : y * A + A, x * B : x * B + B].mean() for x in range(width)] for y in range(height)]
    return {"Y": X * logistic(WG[:, None, None] * np.array(pooled) + BG[:, None, None])}


@system("X[c,h,w] W1[r,c,u,v] B1[r] W2[c,r,u,v] B2[c]", C=(1, 4), R=(1, 3), H=(2, 6), W=(2, 6), U=(1, 3), V=(1, 3))
def ssma(X, W1, B1, W2, B2):
    narrow = np.maximum(convolve(X, W1) + B1[:, None, None], 0)
    return {"O": X * logistic(convolve(narrow, W2) + B2[:, None, None])}


@system("X[c,y,x] W1[c,u,v] W2[c,u,v]", C=(2, 3), Y=(4, 6), X=(5, 7), U=[1, 3], V=[3, 5])
def l2vit_lcm(X, W1, W2):
    return {"O": X + depthwise(gelu(depthwise(X, W1)), W2)}


@system("X[g,c,y,x] S[g,c] B[g,c] PW[g,c] PB[g]", G=(1, 2), C=(2, 3), Y=(3, 5), X=(4, 6), U=3, V=3)
def ulsam(X, S, B, PW, PB):
    act = np.maximum(S[..., None, None] * X + B[..., None, None], 0)
    height, width = act.shape[2:]
    around = padded(act, 1, 1, -np.inf)
    best = np.max([around[..., u : u + height, v : v + width] for u in range(3) for v in range(3)], axis=0)
    logits = np.maximum(np.einsum("gc,gcyx->gyx", PW, best) + PB[:, None, None], 0)
    weights = weights_of(logits.reshape(len(logits), -1), 1).reshape(logits.shape)
    return {"O": X * (1 + weights[:, None])}


@system(
    "X[c,y,x] WD[d,c,a,b] WQ[e,c] WK[e,c] WV[f,c]",
    C=(2, 3), Y=(3, 5), X=(4, 5), D=(2, 3), E=3, F=4, A=3, B=3, M0=4,
)  # fmt: skip
def tap(X, WD, WQ, WK, WV):
    channels, height, width = X.shape
    mixture, mixed = weights_of(convolve(X, WD)), 0
    for d, share in enumerate(mixture):
        around = padded(X, d, d)
        places = [(d + d * u, d + d * v) for u in (-1, 0, 1) for v in (-1, 0, 1)]
        mixed = mixed + share * sum(around[:, y : y + height, x : x + width] for y, x in places) / 9
    flat = mixed.reshape(channels, -1)
    return {"T": mixed, "AV": attend(WQ @ flat, WK @ flat, WV @ flat)}


def branches(rng, n, t):
    mask = rng.random((n["T"], n["M"])) < 0.7
    mask[rng.integers(n["T"]), : n["M0"]] = 0  # a whole tile, perhaps the only one of a branch
    if rng.random() < 0.5:
        mask[rng.integers(n["T"])] = 0  # a branch that sees nothing
    t["MK"] = mask


@system("X[d,m] WV[a,d] WU[a,d] WW[t,a]", branches, D=(2, 5), A=(2, 5), T=(2, 4), M=(5, 11), M0=(2, 4))
def acmil(X, WV, WU, WW, MK):
    logits = WW @ (np.tanh(WV @ X) * logistic(WU @ X))
    weights = weights_of(logits, 1, MK > 0)
    return {"BR": X @ weights.T, "BAG": X @ weights.mean(axis=0)}


def text_and_image(rng, n, t):
    flags = rng.random(n["M"]) < 0.5
    text, image = rng.choice(n["M"], size=2, replace=False)
    flags[text], flags[image] = False, True
    t |= {"VF": flags, "TX": np.flatnonzero(~flags), "VX": np.flatnonzero(flags)}
    t |= {"VSHARE": flags.mean(), "TSHARE": 1 - flags.mean()}
    n |= {"T": len(t["TX"]), "N": len(t["VX"])}


@system("Q[e,m] K[e,m] V[f,m] RT[f] PW[e,f]", text_and_image, E=(2, 5), F=lambda n: n["E"], M=(4, 10))
def moda(Q, K, V, VF, RT, PW):
    image, keys = VF == 1, K + 1e-6
    directions = keys / np.linalg.norm(keys, axis=0)
    gram = directions[:, ~image] @ V[:, ~image].T
    gram /= np.linalg.norm(gram, axis=1, keepdims=True)
    aligned = PW @ (K + RT[:, None] * (gram.T @ directions))
    return {"AV": attend(Q, np.where(image, aligned, K), V, causal(K.shape[1]))}
