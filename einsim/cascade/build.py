"""The grammar's tree turned into the records of ir.py, with each record's place in the text."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence as Listing
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias, cast

from lark import Token, Tree
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

from einsim.cascade.expression import (
    Call,
    Compare,
    Condition,
    Expr,
    Junction,
    Node,
    Not,
    Number,
    Position,
    Size,
    Where,
    as_index,
    children,
    combined,
    divided,
    is_product_term,
    negated,
    ranks_of,
)
from einsim.cascade.index import Access, Extreme, Index, Quotient, Term
from einsim.cascade.ir import Cascade, Einsum, Init, RankDecl, Sequence, Split, TensorDecl, reduced_in
from einsim.cascade.names import (
    REDUCTIONS,
    BinaryOperator,
    ComparisonOperator,
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
    index that is none, a sum with two readings, ranks that a reduction forgets.
    """
    try:
        return _Builder(source, *_named(tree)).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, SpecError):
            raise error.orig_exc from None
        raise


def _named(tree: Tree[Token]) -> tuple[frozenset[str], frozenset[str]]:
    """What a bare name in an expression may be: tensors without indices, and ranks, that the text declares."""
    scalars: set[str] = set()
    ranks: set[str] = set()
    for statement in cast(list[Tree[Token]], tree.children[1:]):
        match statement.data:
            case "inputs" | "assembled":
                for tensor, *dimensions in (part.children for part in _trees(statement)):
                    ranks.update(map(str, dimensions))
                    scalars.update([] if dimensions else [str(tensor)])
            case "ranks":
                ranks.update(str(declared.children[0]) for declared in _trees(statement))
            case "split":
                ranks.update(map(str, statement.children[:3]))
            case "einsum":
                tensor, *indices = _trees(statement)[0].children
                scalars.update([] if indices else [str(tensor)])
    return frozenset(scalars), frozenset(ranks)


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    """The parts of a tree that are trees themselves."""
    return [part for part in tree.children if isinstance(part, Tree)]


_Fields: TypeAlias = dict[str, list[Any]]
"""What one statement adds to the fields of the Cascade."""


class _Builder(Transformer_NonRecursive[Token, Cascade]):
    """One method a grammar rule; children arrive already built."""

    def __init__(self, source: str, scalars: frozenset[str], ranks: frozenset[str]) -> None:
        super().__init__()
        self._source = source
        self._scalars = scalars
        self._ranks = ranks

    def _at(self, token: Token) -> Location:
        return Location(self._source, token.line, token.column)

    def start(self, parts: list[Any]) -> Cascade:
        (name, title, source), *statements = parts
        fields: dict[str, tuple[Any, ...]] = {}
        for statement in statements:
            for field, records in statement.items():
                fields[field] = (*fields.get(field, ()), *records)
        assembled = {tensor.name for tensor in fields.get("assembled", ())}
        fields["einsums"] = _numbered(fields.get("einsums", ()), assembled)
        return Cascade(str(name), title, source, at=self._at(name), **cast(Any, fields))

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

    # --- declarations -------------------------------------------------------------------------------------

    def declaration(self, names: list[Token]) -> TensorDecl:
        tensor, *ranks = names
        for rank in ranks:
            require_rank(rank, self._at(rank))
        return TensorDecl(str(tensor), tuple(map(str, ranks)), self._at(tensor))

    def inputs(self, declarations: list[TensorDecl]) -> _Fields:
        return {"inputs": declarations}

    def assembled(self, declarations: list[TensorDecl]) -> _Fields:
        return {"assembled": declarations}

    def outputs(self, names: list[Token]) -> _Fields:
        return {"outputs": [str(name) for name in names], "outputs_at": [self._at(name) for name in names]}

    def sizes(self, names: list[Token]) -> _Fields:
        for name in names:
            require_size(name, self._at(name))
        return {"sizes": [str(name) for name in names], "sizes_at": [self._at(name) for name in names]}

    def ranks(self, ranks: list[RankDecl]) -> _Fields:
        return {"ranks": ranks}

    def rank_alone(self, names: list[Token]) -> RankDecl:
        require_rank(names[0], self._at(names[0]))
        return RankDecl(str(names[0]), at=self._at(names[0]))

    def rank_walk(self, parts: list[Token]) -> RankDecl:
        name, relation, other = parts
        for rank in (name, other):
            require_rank(rank, self._at(rank))
        if relation.type == "LIKE":
            return RankDecl(str(name), like=str(other), at=self._at(name))
        return RankDecl(str(name), within=str(other), at=self._at(name))

    def rank_sized(self, parts: list[Any]) -> RankDecl:
        name, size = parts
        require_rank(name, self._at(name))
        return RankDecl(str(name), size=size, at=self._at(name))

    def split(self, names: list[Token]) -> _Fields:
        rank, outer, inner, size = names
        for name in (rank, outer, inner):
            require_rank(name, self._at(name))
        require_size(size, self._at(size))
        return {"splits": [Split(str(rank), str(outer), str(inner), str(size), self._at(rank))]}

    def sequence(self, walks: list[list[Token]]) -> _Fields:
        for rank in (rank for ranks in walks for rank in ranks):
            require_rank(rank, self._at(rank))
        return {"sequences": [Sequence(tuple(tuple(map(str, ranks)) for ranks in walks), self._at(walks[0][0]))]}

    def walks(self, ranks: list[Token]) -> list[Token]:
        return ranks

    # --- statements ---------------------------------------------------------------------------------------

    def target(self, parts: list[Any]) -> Access:
        name, *indices = parts
        return Access(str(name), tuple(indices), at=self._at(name))

    def init(self, parts: list[Any]) -> _Fields:
        output, body = parts
        if not output.indices:
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
        output, right, when, density = parts
        if when is not None:
            _require_shallow(when, output.at)
        if not isinstance(right, tuple):
            return {"einsums": [_implicit(output, right, when, density)]}
        operator, over, body = right
        _require_shallow(body, output.at)
        self._require_reduced(output, operator, over, body, when)
        reduction = cast(ReductionOperator, str(operator))
        return {"einsums": [Einsum(output, body, reduction, when, density, at=output.at)]}

    def _require_reduced(
        self, output: Access, operator: Token, over: list[Token], body: Expr, when: Condition | None
    ) -> None:
        left = output.ranks
        right = ranks_of(body) if when is None else tuple(dict.fromkeys(ranks_of(body) + ranks_of(when)))
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

    # --- conditions ---------------------------------------------------------------------------------------

    def comparison(self, parts: list[Any]) -> Compare:
        left, operator, right = parts
        return Compare(cast(ComparisonOperator, str(operator)), left, right)

    def any_of(self, parts: list[Condition]) -> Junction:
        return _junction("or", parts)

    def all_of(self, parts: list[Condition]) -> Junction:
        return _junction("and", parts)

    def opposite(self, parts: list[Condition]) -> Not:
        return Not(parts[0])

    def where(self, parts: list[Any]) -> Where:
        return Where(*parts)

    # --- expressions --------------------------------------------------------------------------------------

    def binary(self, parts: list[Any]) -> Expr:
        left, operator, right = parts
        return combined(cast(BinaryOperator, str(operator)), left, right)

    def whole_division(self, parts: list[Any]) -> Expr:
        left, operator, right = parts
        a, b = as_index(left), as_index(right)
        if a is None or b is None:
            raise SpecError(
                f"'{operator}' works on ranks and sizes only",
                at=self._at(operator),
                remedy=f"write (m {operator} 2) in parentheses after a factor; "
                "divide values with '/' and round with floor(a / b)",
            )
        return divided(replace(a, at=a.at or self._at(operator)), b, remainder=operator.type == "REST")

    def negate(self, parts: list[Any]) -> Expr:
        return negated(parts[1])

    def number(self, parts: list[Token]) -> Number:
        return Number(self._float(parts[0]))

    def _float(self, token: Token) -> float:
        value = float(token)
        if math.isinf(value) and token.type != "INF":
            raise SpecError(f"{token} is too large", at=self._at(token), remedy="write inf if infinity is meant")
        return value

    def call(self, parts: list[Any]) -> Call:
        function, *arguments = parts
        return Call(str(function), tuple(arguments), self._at(function))

    def read(self, parts: list[Any]) -> Expr:
        read, beyond = parts
        if beyond is None:
            return cast(Expr, read)
        if not isinstance(read, Access) or not read.indices:
            raise SpecError(f"'{read}' has no edge", at=read.at, remedy="write 'else' after a tensor with indices")
        return replace(read, beyond=beyond)

    def beyond(self, parts: list[Token | None]) -> float | Literal["edge"]:
        *sign, token = parts
        assert token is not None
        if token.type == "EDGE":
            return "edge"
        return -self._float(token) if sign and sign[0] is not None else self._float(token)

    def access(self, parts: list[Any]) -> Expr:
        name, *indices = parts
        if not indices and name not in self._scalars:
            if is_size_name(name):
                return Size(str(name), self._at(name))
            if name in self._ranks:
                at = self._at(name)
                return Position(replace(Index.of(str(name)), at=at), at)
        return Access(str(name), tuple(indices), at=self._at(name))

    # --- indices ------------------------------------------------------------------------------------------

    def index(self, parts: list[Index]) -> Index:
        return parts[0]

    def index_integer(self, parts: list[Token]) -> Index:
        if len(parts[0]) > _MAX_DIGITS:
            raise SpecError("this index is too large", at=self._at(parts[0]), remedy="no tensor is so long")
        return Index((Term(int(parts[0])),), self._at(parts[0]))

    def index_name(self, parts: list[Token]) -> Index:
        name = parts[0]
        if name in self._scalars:
            return Index((Term(1, (), (Access(str(name), at=self._at(name)),)),), self._at(name))
        if is_rank_name(name):
            require_rank(name, self._at(name))
            return Index((Term(1, (), (str(name),)),), self._at(name))
        require_size(name, self._at(name))
        return Index((Term(1, (str(name),)),), self._at(name))

    def index_element(self, parts: list[Any]) -> Index:
        name, *indices = parts
        return Index(Index.of(Access(str(name), tuple(indices), at=self._at(name))).terms, self._at(name))

    def index_call(self, parts: list[Any]) -> Index:
        name, *arguments = parts
        if name not in {"min", "max"}:
            raise SpecError(f"unknown function {str(name)!r} in an index", at=self._at(name), remedy="use min or max")
        if len(arguments) < 2:
            raise SpecError(f"{name} takes two indices or more", at=self._at(name), remedy=f"write {name}(a, b)")
        kind = cast(Literal["min", "max"], str(name))
        return replace(Index.of(Extreme(kind, tuple(arguments))), at=self._at(name))

    def index_negate(self, parts: list[Any]) -> Index:
        sign, operand = parts
        return Index(Index().plus(operand, -1).terms, self._at(sign))

    def index_binary(self, parts: list[Any]) -> Index:
        left, operator, right = parts
        match operator.type:
            case "PLUS" | "MINUS":
                return cast(Index, left.plus(right, 1 if operator.type == "PLUS" else -1))
            case "STAR":
                return cast(Index, left.times(right))
            case _:
                return replace(Index.of(Quotient(left, right, operator.type == "REST")), at=left.at)


def _numbered(einsums: tuple[Einsum, ...], assembled: set[str]) -> tuple[Einsum, ...]:
    """Einsums of assembled tensors numbered within their tensor."""
    seen: Counter[str] = Counter()
    found = []
    for einsum in einsums:
        seen[einsum.tensor] += 1
        found.append(replace(einsum, part=seen[einsum.tensor]) if einsum.tensor in assembled else einsum)
    return tuple(found)


def _junction(kind: Literal["and", "or"], parts: Listing[Condition]) -> Junction:
    """A flat junction: `a and (b and c)` is all of a, b, c."""
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Junction) and part.kind == kind else [part])
    return Junction(kind, tuple(flat))


def _implicit(output: Access, body: Expr, when: Condition | None, density: Expr | None) -> Einsum:
    """An Einsum without a stated reduction: ranks on the right only are summed, if one product is there."""
    _require_shallow(body, output.at)
    reduced = reduced_in(output, body)
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
    extra = () if when is None else [rank for rank in reduced_in(output, body, when) if rank not in reduced]
    if extra:
        raise SpecError(
            f"rank {extra[0]!r} of the filter is no rank of '{output} = {body}'",
            at=output.at,
            remedy=f"state the reduction ('sum over {_listed([*reduced, *extra])}: ...'), or drop the rank",
        )
    return Einsum(output, body, "sum" if reduced else None, when, density, at=output.at)


def _summed_part(body: Expr, reduced: Listing[str]) -> Expr:
    """The first term of a sum that depends on a reduced rank."""
    while not is_product_term(body):
        body = cast(Expr, next(part for part in children(body) if set(ranks_of(part)) & set(reduced)))
    return body


def _require_shallow(body: Node, at: Location | None) -> None:
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


def _listed(ranks: Listing[str]) -> str:
    return ",".join(ranks)
