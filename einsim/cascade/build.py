"""The grammar's tree turned into the records of ir.py, with each record's place in the text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, cast

from lark import Token, Tree
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

from einsim.cascade.expression import (
    Access,
    Binary,
    Call,
    Expr,
    Negate,
    Number,
    Size,
    children,
    is_product_term,
    ranks_of,
)
from einsim.cascade.index import Index, Term
from einsim.cascade.ir import Cascade, Einsum, Init, Split, TensorDecl
from einsim.cascade.names import (
    REDUCTIONS,
    BinaryOperator,
    ReductionOperator,
    is_rank_name,
    is_size_name,
    require_rank,
    require_size,
)
from einsim.errors import Location, SpecError, suggest

MAX_DEPTH: Final = 100
"""How deep an expression may nest."""

_MAX_DIGITS: Final = 18  # an integer of an index fits 64 bits


def build(tree: Tree[Token], source: str) -> Cascade:
    """The cascade that a parse tree spells, not yet checked as a whole.

    Raises SpecError for what one statement alone shows to be wrong: a reserved name, an unknown function, an
    index that is not affine, a sum with two readings, ranks that a reduction forgets.
    """
    try:
        return _Builder(source, _scalars(tree)).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, SpecError):
            raise error.orig_exc from None
        raise


def _scalars(tree: Tree[Token]) -> frozenset[str]:
    """Tensors declared or made without indices: a bare name in an expression may be one."""
    owners = [*tree.find_data("declaration"), *(each.children[0] for each in tree.find_data("einsum"))]
    return frozenset(str(owner.children[0]) for owner in owners if isinstance(owner, Tree) and len(owner.children) == 1)


_Fields: TypeAlias = dict[str, list[Any]]
"""What one statement adds to the fields of the Cascade."""


class _Builder(Transformer_NonRecursive[Token, Cascade]):
    """One method a grammar rule; children arrive already built."""

    def __init__(self, source: str, scalars: frozenset[str]) -> None:
        super().__init__()
        self._source = source
        self._scalars = scalars

    def _at(self, token: Token) -> Location:
        return Location(self._source, token.line, token.column)

    def start(self, parts: list[Any]) -> Cascade:
        (name, title, source), *statements = parts
        fields: dict[str, tuple[Any, ...]] = {}
        for statement in statements:
            for field, records in statement.items():
                fields[field] = (*fields.get(field, ()), *records)
        return Cascade(str(name), title, source, at=self._at(name), **fields)

    def header(self, parts: list[Token | None]) -> tuple[Token | None, str, str]:
        name, title, source = parts
        return name, self._string(title), self._string(source)

    def _string(self, token: Token | None) -> str:
        if token is None:
            return ""
        try:
            return str(json.loads(token, strict=False))
        except json.JSONDecodeError:
            raise SpecError(
                "this text holds an unknown escape", at=self._at(token), remedy=r"write a backslash as \\"
            ) from None

    def declaration(self, names: list[Token]) -> TensorDecl:
        tensor, *ranks = names
        for rank in ranks:
            require_rank(rank, self._at(rank))
        return TensorDecl(str(tensor), tuple(map(str, ranks)), self._at(tensor))

    def inputs(self, declarations: list[TensorDecl]) -> _Fields:
        return {"inputs": declarations}

    def outputs(self, names: list[Token]) -> _Fields:
        return {"outputs": [str(name) for name in names], "outputs_at": [self._at(name) for name in names]}

    def ranks(self, names: list[Token]) -> _Fields:
        for name in names:
            require_rank(name, self._at(name))
        return {"ranks": [str(name) for name in names], "ranks_at": [self._at(name) for name in names]}

    def split(self, names: list[Token]) -> _Fields:
        rank, outer, inner, size = names
        for name in (rank, outer, inner):
            require_rank(name, self._at(name))
        require_size(size, self._at(size))
        return {"splits": [Split(str(rank), str(outer), str(inner), str(size), self._at(rank))]}

    def init(self, parts: list[Any]) -> _Fields:
        output, body = parts
        if not isinstance(output, Access) or not output.indices:
            raise SpecError(
                f"init '{output}' names no slice",
                at=output.at,
                remedy=f"write the first slice: '{output}[0,...]'",
            )
        _require_shallow(body, output.at)
        return {"inits": [Init(output, body, output.at)]}

    def reduction(self, parts: list[Any]) -> tuple[Token, list[Token], Expr]:
        operator, *over, body = parts
        if operator not in REDUCTIONS:
            raise SpecError(
                f"unknown reduction {str(operator)!r}",
                at=self._at(operator),
                remedy=suggest(operator, REDUCTIONS),
            )
        for rank in over:
            require_rank(rank, self._at(rank))
        return operator, over, body

    def einsum(self, parts: list[Any]) -> _Fields:
        output, right = parts
        if not isinstance(right, tuple):
            return {"einsums": [_implicit(output, right)]}
        operator, over, body = right
        _require_shallow(body, output.at)
        self._require_reduced(output, operator, over, body)
        return {"einsums": [Einsum(output, body, cast(ReductionOperator, str(operator)), output.at)]}

    def _require_reduced(self, output: Access, operator: Token, over: list[Token], body: Expr) -> None:
        right, left = ranks_of(body), output.ranks
        for position, rank in enumerate(over):
            if rank in over[:position]:
                raise SpecError(f"rank {str(rank)!r} is listed twice", at=self._at(rank), remedy="list it once")
            if rank in left:
                raise SpecError(
                    f"rank {str(rank)!r} is on the left side and cannot be reduced",
                    at=self._at(rank),
                    remedy=f"reduce {_listed([r for r in right if r not in left]) or 'nothing'}",
                )
            if rank not in right:
                raise SpecError(
                    f"rank {str(rank)!r} indexes nothing in the expression it reduces",
                    at=self._at(rank),
                    remedy=suggest(rank, set(right) - set(left)),
                )
        forgotten = [rank for rank in right if rank not in left and rank not in over]
        if forgotten:
            raise SpecError(
                f"{_listed(forgotten)} is on the right only, but '{operator} over {_listed(over)}' leaves it",
                at=self._at(operator),
                remedy=f"write '{operator} over {_listed([*over, *forgotten])}:' "
                f"or reduce {_listed(forgotten)} in an Einsum before",
            )

    def binary(self, parts: list[Any]) -> Binary:
        left, operator, right = parts
        return Binary(cast(BinaryOperator, str(operator)), left, right)

    def negate(self, parts: list[Any]) -> Expr:
        _, operand = parts
        return Number(-operand.value) if isinstance(operand, Number) else Negate(operand)

    def number(self, parts: list[Token]) -> Number:
        (token,) = parts
        value = float(token)
        if math.isinf(value) and token.type != "INF":
            raise SpecError(f"{token} is too large", at=self._at(token), remedy="write inf if infinity is meant")
        return Number(value)

    def call(self, parts: list[Any]) -> Call:
        function, *arguments = parts
        return Call(str(function), tuple(arguments), self._at(function))

    def access(self, parts: list[Any]) -> Access | Size:
        name, *indices = parts
        if not indices and name not in self._scalars and is_size_name(name):
            return Size(str(name), self._at(name))
        return Access(str(name), tuple(indices), self._at(name))

    def index(self, parts: list[Any]) -> Index:
        sign: Token | None
        terms: list[Term] = []
        first: Location | None = self._at(parts[0]) if parts[0] is not None else parts[1][1]
        for sign, (term, _) in zip(parts[::2], parts[1::2], strict=True):
            terms.append(Term(-term.factor, term.sizes, term.rank) if sign == "-" else term)
        return Index(tuple(terms), first)

    def index_term(self, parts: list[Token]) -> tuple[Term, Location]:
        factor, sizes, ranks = 1, [], []
        for token in parts:
            if token.type == "STAR":
                continue
            if token.type == "INT":
                if len(token) > _MAX_DIGITS:
                    raise SpecError("this index is too large", at=self._at(token), remedy="no tensor is so long")
                factor *= int(token)
            elif is_rank_name(token):
                require_rank(token, self._at(token))
                ranks.append(str(token))
            else:
                require_size(token, self._at(token))
                sizes.append(str(token))
        if len(ranks) > 1:
            raise SpecError(
                f"the index multiplies ranks ({'*'.join(ranks)})",
                at=self._at(parts[0]),
                remedy="an index is a sum of ranks times integers or sizes",
            )
        return Term(factor, tuple(sizes), ranks[0] if ranks else None), self._at(parts[0])


def _implicit(output: Access, body: Expr) -> Einsum:
    """An Einsum without a stated reduction: ranks on the right only are summed, if one product is there."""
    _require_shallow(body, output.at)
    reduced = [rank for rank in ranks_of(body) if rank not in output.ranks]
    if reduced and not is_product_term(body):
        part = _summed_part(body, reduced)
        ranks = ",".join(rank for rank in output.ranks if rank in ranks_of(part))
        whole = f"{output} = sum over {_listed(reduced)}: {body}"
        raise SpecError(
            f"a sum over {_listed(reduced)} of several terms has two readings: of the whole, '{whole}', or "
            f"of a part, 'T[{ranks}] = {part}' with T[{ranks}] in its place",
            at=output.at,
            remedy=f"write 'sum over {_listed(reduced)}:' or give the part an Einsum of its own",
        )
    return Einsum(output, body, "sum" if reduced else None, output.at)


def _summed_part(body: Expr, reduced: Sequence[str]) -> Expr:
    """The first term of a sum that depends on a reduced rank."""
    while not is_product_term(body):
        body = next(part for part in children(body) if set(ranks_of(part)) & set(reduced))
    return body


def _require_shallow(body: Expr, at: Location | None) -> None:
    stack = [(body, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise SpecError(
                f"this expression nests deeper than {MAX_DEPTH} levels",
                at=at,
                remedy="give its parts Einsums of their own",
            )
        stack.extend((child, depth + 1) for child in children(node))


def _listed(ranks: Sequence[str]) -> str:
    return ",".join(ranks)
