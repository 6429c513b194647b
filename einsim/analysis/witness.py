"""Why there is another pass, in words: the chain of Einsums that forces it."""

from __future__ import annotations

from dataclasses import dataclass

from einsim.analysis.passes import StreamPasses
from einsim.cascade import Access, Cascade, Einsum, operands, tensor_ranks

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True, slots=True)
class Witness:
    """One additional pass: `chain` from the Einsum that runs in it back to the one that ends the pass before.

    `complete` is what that last one needs all of, `again` what the first reads along the sequence once more.
    """

    number: int
    chain: tuple[str, ...]
    complete: tuple[str, ...]
    again: tuple[str, ...]

    def __str__(self) -> str:
        """In words: `SN needs GM, which needs every QK[m,*]; QK[m,*] is read again: second pass`."""
        first, *rest = self.chain
        text = f"{first} needs {', which needs '.join(rest)}" if rest else first
        text += (
            f", which needs every {' and '.join(self.complete)}" if self.complete else ", which is complete only then"
        )
        verb = "is" if len(self.again) == 1 else "are"
        again = f"{' and '.join(self.again)} {verb} read again" if self.again else f"{first} goes through it again"
        return f"{text}; {again}: {ordinal(self.number)} pass"


def ordinal(number: int) -> str:
    """`second`, `third`, ..., `11th`."""
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else f"{number}th"


def witnesses(cascade: Cascade, passes: StreamPasses) -> tuple[Witness, ...]:
    """One witness for each pass after the first, in order."""
    found = []
    for number in range(2, passes.first + 1):
        for einsum in cascade.einsums:
            reason = passes.reasons.get(einsum.name)
            state = passes.states[einsum.name]
            if state.number == number and reason is not None and reason.number == number - 1:
                found.append(_witness(cascade, passes, einsum, number))
                break
    return tuple(found)


def _witness(cascade: Cascade, passes: StreamPasses, einsum: Einsum, number: int) -> Witness:
    chain = [einsum.tensor]
    access: Access | None = passes.reasons[einsum.name].access
    last = einsum
    while access is not None:
        makers = [m for m in cascade.makers(access.tensor) if passes.states[m.name].number == number - 1]
        last = max(makers, key=lambda maker: passes.states[maker.name].after)
        chain.append(last.tensor)
        reason = passes.reasons.get(last.name)
        waits = reason is not None and reason.number == number - 1 and last.tensor not in chain[:-1]
        access = reason.access if reason is not None and waits else None
    complete = _along(cascade, passes, last, below=number) or _along(cascade, passes, last, below=number + 1)
    again = _along(cascade, passes, einsum, below=number)
    return Witness(number, tuple(dict.fromkeys(chain)), complete, again)


def _along(cascade: Cascade, passes: StreamPasses, einsum: Einsum, *, below: int) -> tuple[str, ...]:
    """The operands of an Einsum that carry the sequence and come from an earlier pass, or from outside."""
    found = []
    for access in operands(einsum):
        makers = cascade.makers(access.tensor)
        number = max((passes.states[maker.name].number for maker in makers), default=0)
        after = any(passes.states[maker.name].after for maker in makers)
        moves = [set(index.ranks) & passes.stream.ranks for index in access.indices]
        if access.tensor == einsum.tensor:
            continue  # a running value's own slice before
        if any(moves) and number < below and not after:
            found.append(_starred(cascade, access, moves))
    return tuple(dict.fromkeys(found))


def _starred(cascade: Cascade, access: Access, moves: list[set[str]]) -> str:
    """`QK[m,*]`: the ranks of the sequence, everything else as it may be."""
    ranks = tensor_ranks(cascade, access.tensor)
    shown = (rank if moved else "*" for rank, moved in zip(ranks, moves, strict=True))
    return f"{access.tensor}[{','.join(shown)}]"
