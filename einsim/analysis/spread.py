"""Rewrites of sums: factors leave them, they change places, and exponentials change their base."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from einsim.analysis.laws import CHOICE, DISTRIBUTIVITY, REASSOCIATION, REBASING, Law
from einsim.analysis.linear import (
    Choice,
    Form,
    Monomial,
    Polynomial,
    TooLargeError,
    filtered,
    linear_form,
    product_of,
)
from einsim.analysis.passes import StreamPasses
from einsim.cascade import (
    Access,
    Binary,
    Call,
    Cascade,
    Compare,
    Condition,
    Einsum,
    Expr,
    Index,
    Number,
    Size,
    Where,
    combined,
    is_product_term,
    iterative_rank,
    ranks_of,
    size_of,
)
from einsim.cascade.substitute import (
    both,
    fresh,
    rewritten,
    rewritten_condition,
    without_dead,
)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A cascade that means the same, the laws that say so, and what was done in words."""

    cascade: Cascade
    laws: tuple[Law, ...]
    what: str


def is_pointwise(cascade: Cascade, einsum: Einsum) -> bool:
    """Whether an Einsum makes each element of its tensor from one point, at plain ranks."""
    plain = all(index.rank is not None for index in einsum.output.indices)
    return plain and einsum.reduction is None and not einsum.part and iterative_rank(einsum) is None


def maker_of(cascade: Cascade, tensor: str) -> Einsum | None:
    """The one Einsum that makes a tensor, if a single one does."""
    makers = cascade.makers(tensor)
    return makers[0] if len(makers) == 1 and not makers[0].part else None


def ranks_to(einsum: Einsum, access: Access) -> dict[str, Index]:
    """What the ranks of a pointwise Einsum's left side are at an access to its tensor."""
    return {
        made.rank: read
        for made, read in zip(einsum.output.indices, access.indices, strict=True)
        if made.rank is not None
    }


# --- factors out of sums ----------------------------------------------------------------------------------


def deferrals(cascade: Cascade, passes: StreamPasses, *, guarded: bool = False) -> Iterator[Rewrite]:
    """Sums over the sequence freed of what is complete only after a pass; one rewrite with all that can be.

    Where filters may leave a sum without any point, what multiplied or divided its terms may be 0 or infinite there:
    `guarded` keeps such a sum 0, as it was, instead of 0/0.
    """
    current, laws, done = cascade, dict[Law, None](), list[str]()
    for einsum in cascade.einsums:
        if passes.states[einsum.name].number < 2 or not passes.stream.completes(einsum):
            continue
        found = _Deferral(current, passes, einsum, guarded).rewrite()
        if found is not None:
            current = found.cascade
            laws |= dict.fromkeys(found.laws)
            done.append(einsum.tensor)
    if done:
        yield Rewrite(without_dead(current), tuple(laws), f"factors leave the sums of {', '.join(done)}")


@dataclass(slots=True)
class _Deferral:
    """One sum written as a linear form of plain sums."""

    cascade: Cascade
    passes: StreamPasses
    einsum: Einsum
    guarded: bool

    def rewrite(self) -> Rewrite | None:
        einsum = self.einsum
        if einsum.reduction != "sum" or einsum.part or iterative_rank(einsum) is not None:
            return None
        reduced = frozenset(einsum.reduced)
        try:
            form = linear_form(einsum.body, reduced, lambda access: self.inlined(access, reduced))
        except TooLargeError:
            return None
        sums: dict[tuple[str, str], Einsum] = {}
        taken: set[str] = set()
        result = self.result(form, reduced, sums, taken)
        if not self.gains(form, reduced):
            return None
        whole = replace(einsum, body=result, reduction=None, when=None, density=None)
        place = self.cascade.einsums.index(einsum)
        einsums = (*self.cascade.einsums[:place], *sums.values(), whole, *self.cascade.einsums[place + 1 :])
        laws = (DISTRIBUTIVITY, CHOICE) if isinstance(form, Choice) else (DISTRIBUTIVITY,)
        return Rewrite(replace(self.cascade, einsums=einsums), laws, einsum.tensor)

    def gains(self, form: Form, reduced: frozenset[str]) -> bool:
        """Whether anything leaves the sum."""
        if isinstance(form, Choice):
            return True
        return len(form.terms) > 1 or any(
            not set(ranks_of(factor)) & reduced for term in form.terms for factor in (*term.above, *term.below)
        )

    def inlined(self, access: Access, reduced: frozenset[str]) -> Form | None:
        """What an operand is made of, where that frees a factor from the sum."""
        maker = maker_of(self.cascade, access.tensor)
        if maker is None or not is_pointwise(self.cascade, maker) or access.beyond is not None:
            return None
        state = self.passes.states.get(maker.name)
        if state is None or state.number < 2 or state.after or not isinstance(maker.body, Binary | Where):
            return None
        ranks = ranks_to(maker, access)
        body = rewritten(maker.body, ranks)
        form = linear_form(body, reduced, lambda inner: self.inlined(inner, reduced))
        if not self.gains(form, reduced):
            return None
        return form if maker.when is None else filtered(form, (rewritten_condition(maker.when, ranks),))

    def result(self, form: Form, reduced: frozenset[str], sums: dict[tuple[str, str], Einsum], taken: set[str]) -> Expr:
        """The form as an expression over plain sums, which are collected."""
        if isinstance(form, Choice):
            sides = (self.result(side, reduced, sums, taken) for side in (form.then, form.otherwise))
            return Where(form.condition, *sides)
        assert isinstance(form, Polynomial)
        total: Expr | None = None
        for term in form.terms:
            part = self.term(term, reduced, sums, taken)
            total = part if total is None else combined("+", total, part)
        assert total is not None
        return total

    def term(
        self, term: Monomial, reduced: frozenset[str], sums: dict[tuple[str, str], Einsum], taken: set[str]
    ) -> Expr:
        inside = [f for f in term.above if set(ranks_of(f)) & reduced]
        under = [f for f in term.below if set(ranks_of(f)) & reduced]
        outside = [f for f in term.above if f not in inside]
        below = [f for f in term.below if f not in under]
        when = self.einsum.when
        for condition in term.when:
            when = both(when, condition)
        for rank in self.einsum.reduced:  # ranks that the sum no longer sees count as often as they are long
            if not any(rank in ranks_of(f) for f in (*inside, *under)) and (when is None or rank not in ranks_of(when)):
                outside.append(Size(size_of(rank)))
        seen = {rank for f in (*inside, *under) for rank in ranks_of(f)} | set(() if when is None else ranks_of(when))
        if not seen & reduced:
            return product_of(term.number, tuple(outside), tuple(below))
        body = product_of(1.0, tuple(inside), tuple(under))
        access = self.sum_of(body, when, sorted(seen & reduced), sums, taken)
        product = product_of(term.number, (access, *outside), tuple(below))
        if not self.guarded or when is None or not (below or outside):
            return product
        return Where(Compare("==", access, Number(0)), Number(0), product)

    def sum_of(
        self, body: Expr, when: Condition | None, over: list[str], sums: dict[tuple[str, str], Einsum], taken: set[str]
    ) -> Access:
        key = (str(body), str(when))
        if key not in sums:
            have = {*ranks_of(body), *(() if when is None else ranks_of(when))}
            kept = (rank for index in self.einsum.output.indices for rank in index.ranks if rank in have)
            indices = tuple(map(Index.of, kept))
            output = Access(fresh(self.cascade, f"{self.einsum.tensor}N", taken), indices)
            sums[key] = Einsum(output, body, "sum", when, self.einsum.density if when == self.einsum.when else None)
        return sums[key].output


# --- sums in another order --------------------------------------------------------------------------------


def reassociations(cascade: Cascade, passes: StreamPasses) -> Iterator[Rewrite]:
    """Products of three taken in another order: a sum of an inner sum's products, summed the other way round."""
    for einsum in cascade.einsums:
        if einsum.reduction != "sum" or einsum.part or einsum.when is not None or not is_product_term(einsum.body):
            continue
        for access in einsum.reads:
            inner = maker_of(cascade, access.tensor)
            if inner is None or inner.reduction != "sum" or inner.when is not None or not is_product_term(inner.body):
                continue
            touched = passes.stream.touches(einsum) or passes.stream.touches(inner)
            plain = all(index.rank is not None for index in inner.output.indices) and iterative_rank(einsum) is None
            if touched and plain and access.beyond is None:
                found = _reassociated(cascade, einsum, access, inner)
                if found is not None:
                    yield found


def _factors(body: Expr) -> Monomial | None:
    """A product as one monomial; None where it holds a choice or a sum."""
    try:
        form = linear_form(body, frozenset(ranks_of(body)), lambda _: None)
    except TooLargeError:
        return None
    return form.terms[0] if isinstance(form, Polynomial) and len(form.terms) == 1 else None


def _reassociated(cascade: Cascade, einsum: Einsum, access: Access, inner: Einsum) -> Rewrite | None:
    whole, part = _factors(einsum.body), _factors(rewritten(inner.body, ranks_to(inner, access)))
    if whole is None or part is None or whole.above.count(access) != 1:
        return None
    if set(inner.reduced) & set(ranks_of(einsum.body)):
        return None
    above = (*(f for f in whole.above if f != access), *part.above)
    below = (*whole.below, *part.below)
    over = set(einsum.reduced)
    near = tuple(f for f in above if set(ranks_of(f)) & over)
    near_below = tuple(f for f in below if set(ranks_of(f)) & over)
    far = tuple(f for f in above if f not in near)
    far_below = tuple(f for f in below if f not in near_below)
    if not far and not far_below and set(inner.reduced) <= {r for f in near for r in ranks_of(f)} and len(near) < 2:
        return None
    product = product_of(1.0, near, near_below)
    kept = [rank for rank in dict.fromkeys(ranks_of(product)) if rank not in over]
    if not over <= set(ranks_of(product)):
        return None
    name = fresh(cascade, f"{einsum.tensor}R", set())
    first = Einsum(Access(name, tuple(map(Index.of, kept))), product, "sum")
    rest = product_of(whole.number * part.number, (*far, first.output), far_below)
    reduced = [rank for rank in ranks_of(rest) if rank not in einsum.output.ranks]
    second = replace(einsum, body=rest, reduction="sum" if reduced else None)
    place = cascade.einsums.index(einsum)
    einsums = (*cascade.einsums[:place], first, second, *cascade.einsums[place + 1 :])
    what = f"{einsum.tensor} sums over {', '.join(einsum.reduced)} before {', '.join(inner.reduced)}"
    return Rewrite(without_dead(replace(cascade, einsums=einsums)), (REASSOCIATION,), what)


# --- exponentials against another base --------------------------------------------------------------------


def exponential_of(factor: Expr) -> tuple[Expr, Access] | None:
    """(x, h) of a factor exp(x - h) with an operand h."""
    match factor:
        case Call("exp", (Binary("-", left, Access() as base),)):
            return left, base
        case _:
            return None


def rebasings(cascade: Cascade, passes: StreamPasses) -> Iterator[Rewrite]:
    """exp(x - h), h the maximum of several sets of keys, against the maximum of its own set."""
    for einsum in cascade.einsums:
        found = exponential_of(einsum.body)
        if found is None or not is_pointwise(cascade, einsum) or not passes.stream.touches(einsum):
            continue
        x, base = found
        joint = maker_of(cascade, base.tensor)
        if joint is None or joint.reduction is not None or joint.when is not None or joint.output != base:
            continue
        for own in _maxima(joint.body):
            maximum = maker_of(cascade, own.tensor)
            if maximum is not None and maximum.reduction == "max" and maximum.body == x and maximum.output == own:
                yield _rebased(cascade, einsum, x, base, own)


def _maxima(body: Expr) -> Iterator[Access]:
    """The operands of nested calls of max."""
    match body:
        case Call("max", arguments):
            for argument in arguments:
                yield from _maxima(argument)
        case Access():
            yield body


def _rebased(cascade: Cascade, einsum: Einsum, x: Expr, base: Access, own: Access) -> Rewrite:
    taken: set[str] = set()
    factor = Einsum(Access(fresh(cascade, f"C{own.tensor}", taken), base.indices),
                    Call("exp", (Binary("-", own, base),)))  # fmt: skip
    local = replace(
        einsum, output=replace(einsum.output, tensor=fresh(cascade, f"L{einsum.tensor}", taken)),
        body=Call("exp", (Binary("-", x, own),)),
    )  # fmt: skip
    product = replace(einsum, body=Binary("*", local.output, factor.output))
    place = cascade.einsums.index(einsum)
    einsums = (*cascade.einsums[:place], local, factor, product, *cascade.einsums[place + 1 :])
    what = f"{einsum.tensor} is taken against {own.tensor} and corrected to {base.tensor}"
    return Rewrite(replace(cascade, einsums=einsums), (REBASING,), what)
