"""Kernels that use everything that their language has, for tests of its compiler."""

from __future__ import annotations

BASE = 7
FLAG = True


def arithmetic(M, a, b):
    M[0] = a + b - a * b
    M[1] = a // b if b != 0 else 0
    M[2] = a % b if b != 0 else 0
    M[3] = (a & b) | (a ^ BASE)
    M[4] = a >> (b & 7)
    M[5] = (a & 255) << (b & 7)
    M[6] = -a + FLAG
    M[7] = min(a, b, BASE) - max(a, b)
    return M[0] ^ M[7]


def truth(M, a, b):
    M[0] = a < b <= BASE
    M[1] = 0 <= a < b < 100
    M[2] = a and b
    M[3] = a or b
    M[4] = not a
    M[5] = (a == b or a > b) and a >= b and a != b
    M[6] = a or (b and noted(M, 8))
    return M[a & 7] if a > b else 5 if a == b else M[b & 7]


def noted(M, cell):
    M[cell] += 1
    return M[cell] < 3


def loops(M, a, b):
    total = 0
    k = -1
    for n in range(a & 15):
        if n == b & 7:
            continue
        for k in range(n, 20, 3):
            total += k * n
            if total > 900:
                break
    j = b & 31
    while True:
        j -= 1
        if j < 0:
            break
        if j & 1 == 1:
            continue
        M[j & 7] += total
    while total > 10 and j < 5:
        total //= 2
        j += 1
    spread(M, b)
    return total * 1000 + j * 10 + k


def spread(M, by):
    """Nothing is returned."""
    for cell in range(8):
        if M[cell] > by:
            M[cell] -= by
        else:
            return


def sum_below(M, cell):
    return 0 if cell < 0 else M[cell] + sum_below(M, cell - 1)
