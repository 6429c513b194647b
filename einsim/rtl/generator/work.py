"""What one processing element does in the slots of one point of an Einsum, as operations of its units."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from einsim.cascade import Access, Binary, Call, Einsum, Expr
from einsim.errors import SpecError
from einsim.rtl.exponential import STEPS
from einsim.spec.architecture import Array


class Kind(Enum):
    """Operations of a point: on one or two operands, then perhaps a reduction."""

    COPY = "copy"
    PRODUCT = "product"
    SUM = "sum"
    DIFFERENCE = "difference"
    LARGER = "max"
    QUOTIENT = "divide"
    EXP = "exp"


@dataclass(frozen=True, slots=True)
class Work:
    """A point's operation on `operands` (positions among the Einsum's reads), folded by `reduction` if it is.

    It takes `slots` slots. Those of an exp are its steps on the multiply-accumulate unit (a macro-operation) or, with
    `apart`, the subtraction there and then an exponential unit.
    """

    kind: Kind
    operands: tuple[int, ...]
    reduction: str | None
    slots: int
    apart: bool = False


_BINARY = {"+": Kind.SUM, "-": Kind.DIFFERENCE, "*": Kind.PRODUCT, "/": Kind.QUOTIENT}


def work_of(einsum: Einsum, array: Array) -> Work:
    """The work of a point. Raises SpecError for what the generated elements have no units for."""
    kind, expressions = _form(einsum)
    operands = tuple(_position(einsum, each) for each in expressions)
    reduction = einsum.reduction
    foldable = {None: tuple(Kind), "sum": (Kind.COPY, Kind.PRODUCT), "max": (Kind.COPY,)}
    if kind not in foldable.get(reduction, ()):
        raise _refuse(einsum, f"{kind.value} under a {reduction} reduction")
    if kind is not Kind.EXP:
        return Work(kind, operands, reduction, 1)
    exp = array.operations.get("exp")
    if exp is not None and exp.macro == {"mac": STEPS - 1}:
        return Work(kind, operands, reduction, STEPS)
    if exp is not None and exp.macro is None and exp.cycles == 1:
        return Work(kind, operands, reduction, 2, apart=True)
    raise _refuse(
        einsum, f"exp other than {STEPS - 1} macs after the subtraction, or a unit of its own, a result a cycle"
    )


def _form(einsum: Einsum) -> tuple[Kind, tuple[Expr, ...]]:
    match einsum.body:
        case Access():
            return Kind.COPY, (einsum.body,)
        case Call("exp", (Binary("-", left, right),)):
            return Kind.EXP, (left, right)
        case Call("max", (left, right)):
            return Kind.LARGER, (left, right)
        case Binary(operator, left, right) if operator in _BINARY:
            return _BINARY[operator], (left, right)
    raise _refuse(einsum, str(einsum.body))


def _position(einsum: Einsum, expression: Expr) -> int:
    if not isinstance(expression, Access):
        raise _refuse(einsum, f"{expression} inside {einsum.body}")
    return einsum.reads.index(expression)


def _refuse(einsum: Einsum, what: str) -> SpecError:
    return SpecError(
        f"the generated hardware has no units for {einsum.output.tensor}: {what}",
        at=einsum.at,
        remedy="write it as Einsums of one operation each: a product, a sum, a difference, max, a quotient or "
        "exp(a - b); sums of products and of copies, and maxima of copies",
    )
