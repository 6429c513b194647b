"""Kernels over one memory, as machine code.

Their language is small: a kernel takes the memory `M` (an int64 array) and int64 numbers, and its body has
assignments to names and cells, conditions, loops, calls of other kernels, and arithmetic. So it goes straight to LLVM,
all kernels as one module, in about a second; numba, which infers types and compiles callees once more with every
caller, takes ten times as long for slower code. Numbers wrap at 64 bits; `//` and `%` round down as
Python's do (of a division by 0 the result is undefined, but it ends nothing). `kernel.py` run by Python says the same.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, Final

import llvmlite
import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numpy.typing import NDArray

from einsim.model.cycle.codefile import kept

WORD: Final = ir.IntType(64)
MEMORY: Final = "M"
COMPARISONS: Final = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
OPERATIONS: Final = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and_", ast.BitOr: "or_",
                     ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "ashr"}  # fmt: skip


@lru_cache(maxsize=2)
def native(modules: tuple[ModuleType, ...], entries: tuple[str, ...]) -> SimpleNamespace:
    """Some of the kernels in modules, ready to be called with an int64 array and integers.

    They let go of the interpreter's lock. Raises TypeError for what is not in the kernels' language.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2, jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    text = str(_lowered(modules, entries))
    key = hashlib.sha256("\n".join([text, machine.triple, cpu, features, llvmlite.__version__]).encode()).hexdigest()
    code = kept(f"kernels-{key[:16]}.o", lambda: _machine_code(text, machine))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    functions = {name: _callable(engine, name, _function(modules, name)) for name in entries}
    return SimpleNamespace(engine=engine, **functions)  # the code lives as long as the engine


def _function(modules: Sequence[ModuleType], name: str) -> FunctionType:
    return next(found for module in modules if isinstance(found := vars(module).get(name), FunctionType))


def _callable(engine: Any, name: str, function: FunctionType) -> Callable[..., int]:
    numbers = function.__code__.co_argcount - 1
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *[ctypes.c_int64] * numbers)
    code = kind(engine.get_function_address(name))

    def call(memory: NDArray[np.int64], *rest: int) -> int:
        assert memory.dtype == np.int64
        assert memory.flags.c_contiguous
        return int(code(memory.ctypes.data, *rest))

    return call


def _machine_code(text: str, machine: Any) -> bytes:
    """Optimises a module and makes an object file of it."""
    module = llvm.parse_assembly(text)
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def _lowered(modules: Sequence[ModuleType], entries: Sequence[str]) -> ir.Module:
    """All kernels of some modules as one module of LLVM's, of which only the entries can be called from outside."""
    target = ir.Module("kernels")
    found: list[tuple[ast.FunctionDef, dict[str, Any], ir.Function]] = []
    functions: dict[str, ir.Function] = {}
    for module in modules:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.FunctionDef):
                kinds = [WORD.as_pointer() if each.arg == MEMORY else WORD for each in node.args.args]
                function = ir.Function(target, ir.FunctionType(WORD, kinds), node.name)
                function.linkage = "external" if node.name in entries else "internal"
                function.attributes.add("nounwind")
                functions[node.name] = function
                found.append((node, vars(module), function))
    for node, names, function in found:
        _Body(function, functions, names, node).write()
    return target


@dataclass
class _Body:
    """One kernel being written: `names` are its module's, `slots` where its own names' values are."""

    function: ir.Function
    functions: dict[str, ir.Function]
    names: dict[str, Any]
    node: ast.FunctionDef
    slots: dict[str, Any] = field(default_factory=dict)
    around: list[tuple[Any, Any]] = field(default_factory=list)
    """Of each loop around: where it goes on, and where it ends."""
    line: int = 0
    """Of the statement that is being written."""

    def write(self) -> None:
        """Writes the kernel's instructions."""
        self.to = ir.IRBuilder(self.function.append_basic_block())
        names = [each for each in ast.walk(self.node) if isinstance(each, ast.Name)]
        own = {each.id for each in names if isinstance(each.ctx, ast.Store)}
        arguments = dict(zip((each.arg for each in self.node.args.args), self.function.args, strict=True))
        for name in sorted(own | arguments.keys() - {MEMORY}):
            self.slots[name] = self.to.alloca(WORD)
            self.to.store(arguments.get(name, WORD(0)), self.slots[name])
        self.memory = arguments[MEMORY]
        self.block(self.node.body)
        if not self.to.block.is_terminated:
            self.to.ret(WORD(0))

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Writes statements, up to one that leaves."""
        for statement in statements:
            if self.to.block.is_terminated:
                return
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Writes a statement."""
        self.line = node.lineno
        match node:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=value):
                self.value(value)
            case ast.Assign(targets=[target], value=value):
                number = self.value(value)
                self.to.store(number, self.place(target))
            case ast.AugAssign(target=target, op=op, value=value):
                place = self.place(target)
                before = self.to.load(place)
                self.to.store(self.operation(op, before, self.value(value)), place)
            case ast.If(test=test, body=body, orelse=orelse):
                with self.to.if_else(self.truth(test)) as (then, otherwise):
                    with then:
                        self.block(body)
                    with otherwise:
                        self.block(orelse)
            case ast.While(test=test, body=body, orelse=[]):
                self.loop(lambda: self.truth(test), body, lambda: None)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args), body=body,
                         orelse=[]):  # fmt: skip
                self.count(self.slots[name], args, body)
            case ast.Return(value=value):
                self.to.ret(WORD(0) if value is None else self.value(value))
            case ast.Break():
                self.to.branch(self.around[-1][1])
            case ast.Continue():
                self.to.branch(self.around[-1][0])
            case _:
                self.refuse(node)

    def loop(self, test: Callable[[], Any], body: Sequence[ast.stmt], step: Callable[[], None]) -> None:
        """A loop: a test before each iteration, the body, and a step after it."""
        ask, inside, on, after = (self.function.append_basic_block() for _ in range(4))
        self.to.branch(ask)
        self.to.position_at_end(ask)
        self.to.cbranch(test(), inside, after)
        self.to.position_at_end(inside)
        self.around.append((on, after))
        self.block(body)
        self.around.pop()
        if not self.to.block.is_terminated:
            self.to.branch(on)
        self.to.position_at_end(on)
        step()
        self.to.branch(ask)
        self.to.position_at_end(after)

    def count(self, variable: Any, args: Sequence[ast.expr], body: Sequence[ast.stmt]) -> None:
        """A loop over a range, upwards (whatever the step); the name keeps its last value."""
        numbers = [self.value(each) for each in args]
        first, end = (WORD(0), numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
        by = numbers[2] if len(numbers) > 2 else WORD(1)
        with self.to.goto_entry_block():
            counter = self.to.alloca(WORD)
        self.to.store(first, counter)

        def test() -> Any:
            number = self.to.load(counter)
            goes_on = self.to.icmp_signed("<", number, end)
            self.to.store(self.to.select(goes_on, number, self.to.load(variable)), variable)
            return goes_on

        self.loop(test, body, lambda: self.to.store(self.to.add(self.to.load(counter), by), counter))

    def place(self, node: ast.expr) -> Any:
        """The address of a name or of a cell."""
        match node:
            case ast.Name(id=name) if name in self.slots:
                return self.slots[name]
            case ast.Subscript(value=ast.Name(id="M"), slice=cell):
                return self.to.gep(self.memory, [self.value(cell)], inbounds=True)
        return self.refuse(node)

    def truth(self, node: ast.expr) -> Any:
        """Whether an expression is not 0, as a bit."""
        return self.to.icmp_signed("!=", self.value(node), WORD(0))

    def word(self, bit: Any) -> Any:
        """A bit as a number."""
        return self.to.zext(bit, WORD)

    def value(self, node: ast.expr) -> Any:
        """An expression's number; truth is 1 or 0."""
        match node:
            case ast.Constant(value=int(number)):
                return WORD(int(number))
            case ast.Name(id=name) if name not in self.slots and isinstance(self.names.get(name), int):
                return WORD(int(self.names[name]))
            case ast.Name() | ast.Subscript():
                return self.to.load(self.place(node))
            case ast.BinOp(left=left, op=op, right=right):
                one = self.value(left)
                return self.operation(op, one, self.value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.operation(ast.Sub(), WORD(0), self.value(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.word(self.to.not_(self.truth(operand)))
            case ast.Compare(left=left, ops=ops, comparators=others) if {type(op) for op in ops} <= COMPARISONS.keys():
                return self.comparison([left, *others], ops)
            case ast.BoolOp(op=op, values=values):
                return self.either(values, isinstance(op, ast.And))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.chosen(self.truth(test), lambda: self.value(body), lambda: self.value(orelse))
            case ast.Call(func=ast.Name(id="min" | "max" as name), args=[first, *rest]):
                number = self.value(first)
                for each in rest:
                    other = self.value(each)
                    number = self.to.select(
                        self.to.icmp_signed("<" if name == "min" else ">", other, number), other, number
                    )
                return number
            case ast.Call(func=ast.Name(id=name), args=args) if name in self.functions:
                given = [self.memory if isinstance(a, ast.Name) and a.id == MEMORY else self.value(a) for a in args]
                return self.to.call(self.functions[name], given)
        return self.refuse(node)

    def operation(self, op: ast.operator, one: Any, other: Any) -> Any:
        """A sum, a product and so on."""
        if type(op) in OPERATIONS:
            return getattr(self.to, OPERATIONS[type(op)])(one, other)
        if not isinstance(op, ast.FloorDiv | ast.Mod):
            self.refuse(op)
        other = self.to.select(self.to.icmp_signed("==", other, WORD(0)), WORD(1), other)
        rest = self.to.srem(one, other)
        signs = self.to.icmp_signed("<", self.to.xor(rest, other), WORD(0))
        down = self.to.and_(self.to.icmp_signed("!=", rest, WORD(0)), signs)
        if isinstance(op, ast.Mod):
            return self.to.add(rest, self.to.select(down, other, WORD(0)))
        return self.to.sub(self.to.sdiv(one, other), self.word(down))

    def comparison(self, nodes: Sequence[ast.expr], ops: Sequence[ast.cmpop]) -> Any:
        """A comparison, or a chain of them."""
        numbers = [self.value(each) for each in nodes]
        bits = [self.to.icmp_signed(COMPARISONS[type(op)], one, other)
                for op, (one, other) in zip(ops, pairwise(numbers), strict=True)]  # fmt: skip
        whole = bits[0]
        for bit in bits[1:]:
            whole = self.to.and_(whole, bit)
        return self.word(whole)

    def either(self, values: Sequence[ast.expr], every: bool) -> Any:
        """`and` (every) and `or`: the first value that decides, or the last."""
        first, *rest = values
        number = self.value(first)
        if not rest:
            return number
        bit = self.to.icmp_signed("!=", number, WORD(0))
        if every:
            return self.chosen(bit, lambda: self.either(rest, every), lambda: number)
        return self.chosen(bit, lambda: number, lambda: self.either(rest, every))

    def chosen(self, bit: Any, one: Callable[[], Any], other: Callable[[], Any]) -> Any:
        """One of two values, of which only that is computed."""
        with self.to.if_else(bit) as (then, otherwise):
            with then:
                first = one()
                end_of_first = self.to.block
            with otherwise:
                second = other()
                end_of_second = self.to.block
        number = self.to.phi(WORD)
        number.add_incoming(first, end_of_first)
        number.add_incoming(second, end_of_second)
        return number

    def refuse(self, node: ast.AST) -> Any:
        """Raises TypeError for what kernels may not say."""
        what = type(node).__name__
        raise TypeError(f"kernel {self.node.name}, line {self.line}: {what} is not in the kernels' language")
