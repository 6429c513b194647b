"""Points: one design on one workload, or a whole model, with all that a file says of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from einsim.errors import Location, SpecError
from einsim.explore.axes import Setting
from einsim.explore.sweepfile import TimeModel
from einsim.model.whole import Setting as WholeSetting
from einsim.model.whole import WholeRun, evaluate_whole, first_design, load_kernels, refuse_workload_changes
from einsim.spec import library
from einsim.spec.configuration import Accounting, Design, load_design
from einsim.spec.family import Phase
from einsim.spec.modelrun import CAUSAL, LAYERS, Causal, Layers, Lengths, ModelRun, Scope, plan_run
from einsim.spec.models import batch_lengths, fixed_length, model_attention, model_facts
from einsim.spec.overrides import Override
from einsim.spec.workload import DEFAULT_BATCH, WORKLOAD, Workload


@dataclass(frozen=True, slots=True)
class Point:
    """One design to evaluate: its coordinates on the axes and what they resolve to.

    `workload` is the attention of one layer. Where more of a model is run, or another phase, `lengths` are those of its
    batch, and `workload` says no more than the model and the batch.
    """

    index: int
    coordinates: tuple[tuple[str, Any], ...]
    configuration: Setting
    architecture: Setting
    accounting: Accounting
    workload: Workload
    overrides: tuple[Override, ...]
    time_model: TimeModel
    scope: Scope
    lengths: Lengths | None
    layers: Setting
    causal: Setting

    def plan(self, scope: Scope | None = None) -> ModelRun:
        """The kernels of the point's model, all of its scope or of another one."""
        assert self.lengths is not None
        assert self.workload.model is not None
        refuse_workload_changes(self.overrides)
        at = self.workload.at
        facts, scope = model_facts(self.workload.model, at), scope or self.scope
        layers: Layers = Layers.SEQUENTIAL if scope is Scope.ATTENTION else self.layers.value
        try:
            return plan_run(facts, self.lengths, scope, layers, self.configuration.value, at, causal=self.causal.value)
        except SpecError as error:
            there = {LAYERS: self.layers.at, CAUSAL: self.causal.at}.get(error.at or at, error.at)
            raise SpecError(error.message, at=there, remedy=error.remedy) from None

    def _setting(self) -> WholeSetting:
        named, machine = self.configuration, self.architecture
        return WholeSetting(
            named.value, machine.value, self.overrides, self.accounting, at=named.at, arch_at=machine.at
        )

    def whole(self) -> WholeRun:
        """Evaluates all kernels of `plan` by the closed form."""
        return evaluate_whole(self.plan(), self._setting())

    def design(self) -> Design:
        """Loads the design (of a whole model, the first of its attention); raises SpecError for what is wrong."""
        if self.lengths is not None:
            return first_design(self.plan(Scope.ATTENTION), self._setting())
        return load_design(
            self.configuration.value,
            self.workload,
            architecture=self.architecture.value,
            overrides=self.overrides,
            accounting=self.accounting,
            at=self.configuration.at,
            arch_at=self.architecture.at,
        )

    def check(self) -> None:
        """Loads what the point is of; raises SpecError for what is wrong."""
        if self.lengths is not None:
            self.plan()
        self.design()

    def load(self) -> None:
        """Reads every file that the point is of; raises SpecError for what is wrong."""
        if self.lengths is None:
            self.design()
        else:
            load_kernels(self.plan(), self._setting())

    @property
    def command(self) -> str:
        """The command line that evaluates this point alone."""
        return "".join([self.start, *map(changed, self.overrides), self.end])

    @property
    def start(self) -> str:
        """The command line before what is changed."""
        command = "simulate" if self.time_model is TimeModel.CYCLE else "run"
        words = ["einsim", command, self.configuration.value]
        machine = [] if self.architecture.value is None else ["--arch", self.architecture.value]
        return shlex.join([*words, *_sizes(self.workload, self.lengths, library.model_files()), *machine])

    @property
    def end(self) -> str:
        """The command line after what is changed."""
        scope = "" if self.lengths is None else f" --scope {self.scope} --phase {self.lengths.phase}"
        layers = "" if self.layers.value is Layers.SEQUENTIAL else f" --layers {self.layers.value}"
        causal = "" if self.causal.value is Causal.COUNT else f" --causal {self.causal.value}"
        return f" --accounting {self.accounting}{scope}{layers}{causal}"


def changed(change: Override) -> str:
    """A change as part of a command line."""
    return f" --set {shlex.quote(change.text)}"


@lru_cache(maxsize=4096)
def _sizes(workload: Workload, lengths: Lengths | None, files: tuple[bytes, ...]) -> tuple[str, ...]:
    """Options that say what is run, for as long as the models that ship stay the same."""
    del files
    sizes, words = dict(workload.sizes), []
    if workload.model is not None and lengths is not None:
        batch = ["--model", workload.model, "--batch", str(sizes["B"])]
        if lengths.phase == "decode":
            return (*batch, "--context", lengths.context, "--new-tokens", str(lengths.new))
        return (*batch, "--seq-len", str(lengths.new), *(["--context", lengths.context] if lengths.is_cached else []))
    if workload.model is not None and workload.seq_len is not None:
        words += ["--model", workload.model, "--seq-len", str(workload.seq_len), "--batch", str(sizes["B"])]
        own = dict(model_attention(workload.model, workload.seq_len, sizes["B"]).sizes)
        sizes = {name: size for name, size in sizes.items() if own.get(name) != size}
    if sizes:
        words += ["--shape", ",".join(f"{name}={size}" for name, size in sizes.items())]
    return tuple(words)


def make_workload(
    model: str | None,
    seq_len: int | None,
    batch: int | None,
    shape: tuple[tuple[str, int], ...],
    at: Location = WORKLOAD,
) -> Workload:
    """A model's attention at a length, with sizes of `shape` on top; or the shape alone.

    Raises SpecError where neither says enough, or both say the batch.
    """
    return _workload_once(model, seq_len, batch, shape, at, library.model_files())


@lru_cache(maxsize=4096)
def _workload_once(
    model: str | None,
    seq_len: int | None,
    batch: int | None,
    shape: tuple[tuple[str, int], ...],
    at: Location,
    files: tuple[bytes, ...],
) -> Workload:
    """The same, for as long as the models that ship stay the same."""
    del files
    sizes = dict(shape)
    option = at == WORKLOAD
    if batch is not None and "B" in sizes:
        raise SpecError("both --batch and a size B are given", at=at, remedy="they are one size: give one")
    if model is None:
        if seq_len is not None:
            raise SpecError("a sequence length needs a model", at=at, remedy="add --model" if option else "add model:")
        if not sizes:
            remedy = "give --model and --seq-len, or --shape B=2,H=4,E=32,F=32,M=2K,P=2K"
            raise SpecError("nothing says what to run", at=at, remedy=remedy if option else "add model: and seq_len:")
        return Workload(tuple({**({"B": batch} if batch is not None else {}), **sizes}.items()), at=at)
    if seq_len is None:
        remedy = "add --seq-len 16K" if option else "add seq_len: 16K"
        raise SpecError(f"no sequence length for {model}", at=at, remedy=remedy)
    batch = batch or DEFAULT_BATCH
    workload = replace(model_attention(model, seq_len, batch, Location("--model") if option else at), at=at)
    return workload.with_sizes(sizes) if sizes else workload


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a model a point runs, as the fields of a file say it."""

    scope: Scope
    phase: Phase | None
    context: int | str | None
    new_tokens: int | None

    @property
    def alone(self) -> bool:
        """Whether it is the attention of one layer in a prefill with nothing cached."""
        return self == Extent(Scope.ATTENTION, None, None, None)


def make_lengths(
    model: str | None, seq_len: int | None, batch: int | None, extent: Extent, at: Location
) -> tuple[Workload, Lengths]:
    """The batch of a run of a whole model. Raises SpecError where the fields say too little or too much."""
    if model is None:
        raise SpecError(f"a scope of {extent.scope} needs a model", at=at, remedy="add model:")
    context = None if extent.context is None else str(extent.context)
    fixed = fixed_length(model_facts(model, at))
    lengths = batch_lengths(extent.phase, seq_len, batch, context, extent.new_tokens, fixed, at)
    prompt = lengths.new if lengths.phase == "prefill" else None
    return Workload((("B", lengths.batch),), model, prompt, at), lengths
