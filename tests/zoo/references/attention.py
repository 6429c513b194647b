"""Softmax attention and what masks, biases, gates, heads or several key sets make of it."""

import numpy as np

from tests.zoo.references.parts import (
    CROSS,
    SELF,
    angles,
    attend,
    block_means,
    causal,
    distance,
    logistic,
    softmax,
    turn,
)
from tests.zoo.references.registry import add, both, system


@system("Q[e,p] K[e,m] V[f,m]", **CROSS)
def attn(Q, K, V):
    return {"AV": attend(Q, K, V)}


@system("Q[e,m] K[e,m] V[f,m]", **SELF)
def attn_causal(Q, K, V):
    return {"AV": attend(Q, K, V, causal(K.shape[1]))}


@system("Q[e,p] KC[e,c] KN[e] VC[f,c] VN[f]", E=(2, 5), F=(2, 5), C=(1, 10), P=1, M0=(2, 4))
def decode(Q, KC, KN, VC, VN):
    K, V = np.column_stack([KC, KN]), np.column_stack([VC, VN])
    return {"AV": attend(Q, K, V), "K": K, "V": V}


@system("Q[h,e,p] K[g,e,m] V[g,f,m]", **CROSS, R=(1, 3), H=(2, 6), G=lambda n: -(-n["H"] // n["R"]))
def gqa(Q, K, V, R):
    """R heads share keys and values; the last group may be short."""
    return {"AV": np.stack([attend(q, K[h // R], V[h // R]) for h, q in enumerate(Q)])}


@system("QN[h,e,p] QR[h,r,p] C[l,m] KR[r,m] WK[h,e,l] WV[h,f,l]", **CROSS, H=(1, 3), L=(2, 6), R=(1, 3))
def mla(QN, QR, C, KR, WK, WV):
    heads = zip(QN, QR, WK, WV, strict=True)
    return {"O": np.stack([attend(np.vstack([n, r]), np.vstack([k @ C, KR]), v @ C) for n, r, k, v in heads])}


@system("Q[e,m] K[e,m] V[f,m]", **SELF, W=(1, 5), W0=(1, 3), SINK=(1, 4))
def swa_sink(Q, K, V, W, SINK):
    M = K.shape[1]
    out = np.empty((V.shape[0], M))
    for p in range(M):
        keys = [m for m in range(p + 1) if m > p - W or m < SINK]
        out[:, p] = V[:, keys] @ softmax(Q[:, p] @ K[:, keys])
    return {"AV": out}


def spans(rng, n, t):
    t["SP"] = rng.integers(1, n["M"], n["H"])


@system("Q[h,e,m] K[h,e,m] V[h,f,m]", spans, **{**SELF, "M": (8, 10)}, H=(2, 3), SINK=(1, 2))
def moa(Q, K, V, SP, SINK):
    M = Q.shape[2]
    keep = [causal(M) & ((distance(M) < span) | (np.arange(M) < SINK)[:, None]) for span in SP]
    return {"AV": np.stack([attend(*head) for head in zip(Q, K, V, keep, strict=True)])}


def log_bias(rng, n, t):
    t["B"] = -np.log(n["M"])


@system("Q[e,p] K[e,m] V[f,m]", log_bias, **CROSS)
def sigmoid(Q, K, V, B):
    return {"O": V @ logistic(K.T @ Q + B)}


def slopes(rng, n, t):
    t["SL"] = 2.0 ** -np.arange(1, n["H"] + 1)


@system("Q[h,e,m] K[h,e,m] V[h,f,m]", slopes, **SELF, H=(1, 3))
def alibi(Q, K, V, SL):
    M = K.shape[2]
    heads = zip(Q, K, V, SL, strict=True)
    return {"AV": np.stack([attend(q, k, v, causal(M), -s * distance(M)) for q, k, v, s in heads])}


@system("Q[e,m] K[e,m] V[f,m]", angles, J=(1, 3), E=lambda n: 2 * n["J"], F=(2, 5), M=(5, 11), M0=(2, 4))
def rope(Q, K, V, CS, SN):
    return {"AV": attend(turn(Q, CS, SN), turn(K, CS, SN), V, causal(K.shape[1]))}


def marks(rng, n, t):
    bounds = np.sort(rng.choice(np.arange(1, n["M"] + 1), size=3, replace=False))
    n |= zip(("IMG0", "TXT0", "TXT1"), map(int, bounds), strict=True)


@system("Q[e,m] K[e,m] V[f,m]", marks, **{**SELF, "M": (7, 12)})
def aki_mma(Q, K, V, IMG0, TXT0, TXT1):
    keep = causal(K.shape[1])
    keep[TXT0:TXT1, IMG0:TXT0] = True
    return {"AV": attend(Q, K, V, keep)}


@system("XT[d,m] WR[x,d] Q[x,e,m] K[e,m] V[f,m]", **SELF, X=(2, 3), D=(3, 5))
def bam(XT, WR, Q, K, V):
    gate, keep = softmax(WR @ XT), causal(K.shape[1])
    return {"O": sum(g * attend(q, K, V, keep) for g, q in zip(gate, Q, strict=True))}


def audio(rng, n, t):
    t["MS"] = rng.integers(0, 2, n["S"])


@system(
    "Q[e,t,s] KT[e,m] VT[f,m] KI[e,n] VI[f,n] KA[e,t,w] VA[f,t,w] AS",
    audio,
    E=4, F=3, T=(2, 3), S=(3, 5), M=(5, 7), N=(4, 8), W=(1, 3), M0=3, N0=3, W0=2,
)  # fmt: skip
def echomimic(Q, KT, VT, KI, VI, KA, VA, MS, AS):
    frames = zip(Q.swapaxes(0, 1), KA.swapaxes(0, 1), VA.swapaxes(0, 1), strict=True)
    return {"O": np.stack([attend(q, KT, VT) + attend(q, KI, VI) + AS * MS * attend(q, k, v) for q, k, v in frames], 1)}


@system("B[e,m] K[e,m] D[c,m] X[c,m] AL", E=(2, 3), C=(3, 5), M=(6, 8), M0=3)
def danet_pam(B, K, D, X, AL):
    return {"O": AL * attend(B, K, D) + X}


@system("X[c,m] BE", C=(3, 5), M=(6, 8))
def danet_cam(X, BE):
    gram = X @ X.T
    return {"O": BE * softmax(gram.max(1, keepdims=True) - gram, 1) @ X + X}


@system("Q[f,m] K[e,m] V[f,m]", add(SC=0.5), E=(3, 4), F=(3, 5), M=(6, 8))
def davit_channel(Q, K, V, SC):
    return {"O": softmax(SC * K @ V.T, 1) @ Q}


@system(
    "Q[e,m] K[e,m] V[f,m] CQ[e,w] CK[e,w] CV[f,w] UB[e] RE[e,r] RB[r]",
    E=(2, 4), F=(3, 5), W=(2, 3), M=(5, 8), M0=3, R=lambda n: 2 * n["M"] - 1,
)  # fmt: skip
def rcmha(Q, K, V, CQ, CK, CV, UB, RE, RB):
    def backwards(x, w):
        return np.array([np.convolve(line, taps[::-1])[: len(line)] for line, taps in zip(x, w, strict=True)])

    q, k, v = backwards(Q, CQ), backwards(K, CK), backwards(V, CV)
    M = q.shape[1]
    away = M - 1 - distance(M)
    bias = np.einsum("ep,emp->mp", q, RE[:, away]) + RB[away]
    return {"AV": attend(q + UB[:, None], k, v, causal(M), bias)}


@system("XT[d,m] WG[h,f,d] Q[h,e,m] K[h,e,m] V[h,f,m]", **SELF, H=(1, 2), D=(3, 6))
def gated(XT, WG, Q, K, V):
    heads = zip(Q, K, V, WG, strict=True)
    return {"O": np.stack([attend(q, k, v, causal(XT.shape[1])) * logistic(w @ XT) for q, k, v, w in heads])}


@system("Q[e,k] KV[e,n] VV[f,n] KT[e,k] VT[f,k]", E=(2, 4), F=(3, 5), N=(4, 6), K=(3, 5), M0=(3, 4))
def eemllm(Q, KV, VV, KT, VT):
    keep = np.vstack([np.ones((KV.shape[1], KT.shape[1]), bool), causal(KT.shape[1])])
    return {"AV": attend(Q, np.hstack([KV, KT]), np.hstack([VV, VT]), keep)}


@system("QT[e,p] K[e,m] V[f,m] XV[d,m] WQ[e,d]", E=(2, 4), F=(3, 5), D=(3, 6), P=(2, 5), M=(7, 8), N=(2, 4), M0=3)
def crosslmm(QT, K, V, XV, WQ, N):
    return {"OT": attend(QT, K, V), "OV": attend(WQ @ block_means(XV, N), K, V)}


@system(
    "Q[e,m] K[e,m] V[f,m] B1[a,m] B2[m,a] DW[f,w]",
    E=(2, 4), F=(3, 5), M=(7, 8), N=(2, 4), W=(1, 3), M0=3, A=lambda n: -(-n["M"] // n["N"]),
)  # fmt: skip
def agent(Q, K, V, B1, B2, DW, N):
    agents = block_means(Q, N)
    table = attend(agents, K, V, bias=B1.T)
    taps, M = DW.shape[1], V.shape[1]
    around = np.pad(V, ((0, 0), (taps // 2, taps // 2)))
    local = sum(DW[:, [w]] * around[:, w : w + M] for w in range(taps))
    return {"O": attend(Q, agents, table, bias=B2.T) + local}


def group_weights(rng, n, t):
    t["W"] = rng.choice([0.4, 1, 1.8], n["M"])


@system("Q[e,p] K[e,m] V[f,m]", group_weights, **CROSS)
def segscale(Q, K, V, W):
    weights = W[:, None] * softmax(K.T @ Q)
    return {"O": V @ (weights / weights.sum(0))}


def image_keys(rng, n, t):
    t["IMG"] = rng.integers(0, 2, n["M"])


@system("Q[h,e,m] K[h,e,m] V[h,f,m] FV[h]", image_keys, **SELF, H=(1, 2))
def dara(Q, K, V, FV, IMG):
    def head(q, k, v, factor):
        logits = k.T @ q
        logits[IMG > 0] *= factor
        return v @ softmax(logits, 0, causal(len(IMG)))

    return {"AV": np.stack([head(*each) for each in zip(Q, K, V, FV, strict=True)])}


def image_first(rng, n, t):
    t["IMG"] = np.arange(n["M"]) < rng.choice([2, 4, n["M"]])  # at times there is nothing but image


@system("Q[h,e,p] K[h,e,m] V[h,f,m]", both(image_first, add(AL=2.0)), **CROSS, H=(3, 4))
def vhr(Q, K, V, IMG, AL):
    heads = list(zip(Q, K, V, strict=True))
    full = np.stack([attend(q, k, v) for q, k, v in heads])
    blind = np.stack([attend(q, k, v, (IMG == 0)[:, None]) for q, k, v in heads])
    apart = np.linalg.norm((full - blind).reshape(len(full), -1), axis=1)
    factor = np.ones(len(full))
    factor[np.argsort(-apart)[: len(full) // 2]] = AL
    return {"O": full * factor[:, None, None]}


def some_columns(rng, n, t):
    t["W"] = rng.dirichlet(np.ones(n["M"]))


@system("Q[h,e,m] K[h,e,m]", some_columns, H=(1, 2), E=(3, 4), M=(7, 8), M0=3)
def vitgaze(Q, K, W):
    return {"G": np.stack([softmax(k.T @ q) @ W for q, k in zip(Q, K, strict=True)])}


def filtered(rng, n, t):
    M, gain = n["M"], np.ones(n["M"])
    gain[M // 2 - 1 : M // 2 + 2] = rng.uniform(0.5, 2)  # a real filter: symmetric about the highest frequency
    t["CM"] = np.fft.ifft(gain[:, None] * np.fft.fft(np.eye(M), axis=0), axis=0).real
    t |= {"A1": softmax(rng.normal(size=(M, n["P"]))), "ALP": 0.6}


@system("Q[e,p] K[e,m] V[f,m]", filtered, E=(3, 4), F=(2, 5), M=[6, 8], P=(4, 8))
def broadway(Q, K, V, A1, CM, ALP):
    weights = softmax(K.T @ Q)
    weights = weights + ALP * (A1 - weights)
    gain = np.fft.fft(CM[:, 0]).real  # the filter is convolution with the matrix's first column
    weights = np.fft.ifft(gain[:, None] * np.fft.fft(weights, axis=0), axis=0).real
    return {"O": V @ (weights / weights.sum(0))}


@system("Q[d] X[d,m] Y[m] KQ[h,d,d] OV[h]", H=(1, 3), D=(3, 4), M=(7, 10), M0=3)
def icl(Q, X, Y, KQ, OV):
    return {"O": OV @ np.array([softmax(Q @ form @ X) @ Y for form in KQ])}
