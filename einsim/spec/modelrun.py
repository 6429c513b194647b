"""A run of a whole model: which kernels, of which sizes, how often, for a phase and the lengths of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from einsim.errors import Location, SpecError
from einsim.spec.expressions import expression
from einsim.spec.family import Fused, Group, Kernel, Part, Phase
from einsim.spec.modelconfig import Facts, evaluate_size
from einsim.units import INT64_MAX, parse_count, shorten

_OF_LENGTHS: Final = frozenset({"sequences", "context", "keys", "done"})
"""Names that differ between the sequences of a batch: kernels that read one run once for each length."""
LAYERS: Final = Location("--layers")
"""Where the choice of how layers run is made."""
CAUSAL: Final = Location("--causal")
"""Where the choice of what becomes of hidden scores is made."""
BLOCKS: Final = 16
"""Blocks of queries of causal attention at most, each of which sees the keys up to its last token."""
LEAST_BLOCK: Final = 256
"""Tokens of such a block at least: fewer would leave columns of an array idle."""
MAX_STEPS: Final = 4096
"""New tokens of a decode at most: every step is evaluated."""
_PHASE: Final = Location("--phase")


class Scope(StrEnum):
    """What of a model is run."""

    ATTENTION = "attention"
    LINEAR = "linear"
    PRODUCTS = "attention+linear"
    LAYER = "layer"
    MODEL = "model"


class Layers(StrEnum):
    """How the kernels of a layer share time and memories: one after another, side by side on different arrays, or as
    one fused kernel whose activations stay on chip."""

    SEQUENTIAL = "sequential"
    OVERLAPPED = "overlapped"
    FUSED = "fused"


class Causal(StrEnum):
    """What causal attention makes of scores that it hides: counts them, or leaves out blocks of nothing else."""

    COUNT = "count"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Lengths:
    """A batch. `cached`: how many sequences have how many tokens in the cache already.

    A prefill takes `new` tokens of every sequence at once; a decode makes `new` tokens one after another.
    """

    phase: Phase
    new: int
    cached: tuple[tuple[int, int], ...]

    @property
    def batch(self) -> int:
        """Sequences."""
        return sum(count for count, _ in self.cached)

    @property
    def context(self) -> str:
        """What is in the cache, as `parse_contexts` reads it."""
        return write_contexts(self.cached) if len(self.cached) > 1 else str(self.cached[0][1])

    @property
    def is_cached(self) -> bool:
        """Whether some sequence has tokens in the cache already."""
        return any(length for _, length in self.cached)

    @property
    def steps(self) -> int:
        """Passes through the model."""
        return self.new if self.phase == "decode" else 1

    def at_step(self, step: int) -> tuple[dict[str, int], list[dict[str, int]]]:
        """What expressions read of one pass: for all sequences together, and for those of each length."""
        new = 1 if self.phase == "decode" else self.new
        longest = max(context for _, context in self.cached) + step + new
        whole = {
            "batch": self.batch, "new": new, "tokens": self.batch * new, "outputs": self.batch, "longest": longest,
            "cached_tokens": sum(count * (context + step) for count, context in self.cached),
        }  # fmt: skip
        each = [
            {**whole, "sequences": count, "context": context, "keys": context + step + new, "done": step}
            for count, context in self.cached
        ]
        return {**whole, "sequences": self.batch}, each


@dataclass(frozen=True, slots=True)
class PlannedKernel:
    """A kernel with its sizes, and how often the run has it (`times`). Of `mapping` and `cascade` one is given;
    neither: the run's attention configuration. `choices` are those of the mapping that the model makes."""

    name: str
    group: str
    part: Part
    mapping: str | None
    cascade: str | None
    sizes: tuple[tuple[str, int], ...]
    instances: int
    times: int
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What kernels that are alike have in common."""
        return self.mapping, self.cascade, self.sizes, self.instances, self.choices


@dataclass(frozen=True, slots=True)
class Weights:
    """Parameters of a kernel that a model has so many `times`: `words` in each, `active` those that one token meets."""

    kernel: str
    group: str
    times: int
    words: int
    active: int


@dataclass(frozen=True, slots=True)
class Cached:
    """What a group's layers have in the cache at the end: `words` a token and layer, `tokens` of all sequences."""

    group: str
    words: int
    layers: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What is run: kernels in order, and what the model is as a whole.

    `parameters` are all of the model's, `active` those that one token meets; `cache_words` what the batch has in the
    cache at the end; `weights` and `cached` what they are sums of, where a family says. `left_out` and `skipped` say
    what of the model is not counted; `unused` which fields nobody read.
    """

    model: str
    family: str
    scope: Scope
    lengths: Lengths
    kernels: tuple[PlannedKernel, ...]
    parameters: int
    active: int
    cache_words: int
    unused: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    layers: Layers = Layers.SEQUENTIAL
    weights: tuple[Weights, ...] = ()
    cached: tuple[Cached, ...] = ()
    causal: Causal = Causal.COUNT
    at: Location = field(default=Location("--model"), compare=False)


def parse_contexts(text: str, batch: int | None, default: int, at: Location) -> tuple[tuple[int, int], ...]:
    """Cached lengths of a batch: `8K` for all sequences, or `300x4K,212x32K`. Raises SpecError for anything else."""
    parts: list[tuple[int, int]] = []
    for part in text.split(","):
        count, times, length = part.strip().rpartition("x")
        try:
            parts.append((parse_count(count) if times else 0, parse_count(length)))
        except ValueError:
            raise SpecError(f"{shorten(part)!r} is no length", at=at, remedy="write 8K, or 300x4K,212x32K") from None
        if (times and parts[-1][0] <= 0) or not 0 <= parts[-1][1] <= INT64_MAX:
            raise SpecError(f"{shorten(part)!r} is out of range", at=at, remedy="write 8K, or 300x4K,212x32K")
    if len(parts) == 1 and parts[0][0] == 0:
        return ((batch or default, parts[0][1]),)
    if any(count == 0 for count, _ in parts):
        raise SpecError("several lengths need the number of sequences of each", at=at, remedy="write 300x4K,212x32K")
    total = sum(count for count, _ in parts)
    if batch is not None and batch != total:
        raise SpecError(f"a batch of {batch} is not the {total} sequences of the context", at=at,
                        remedy="leave the batch out")  # fmt: skip
    return tuple(parts)


def write_contexts(cached: Iterable[tuple[int, int]]) -> str:
    """Cached lengths as `parse_contexts` reads them."""
    return ",".join(f"{count}x{length}" for count, length in cached)


def plan_run(
    facts: Facts,
    lengths: Lengths,
    scope: Scope,
    layers: Layers = Layers.SEQUENTIAL,
    configuration: str = "",
    at: Location = _PHASE,
    causal: Causal = Causal.COUNT,
) -> ModelRun:
    """The kernels of a family's model for a phase, lengths and scope; of fused layers, those of a configuration.

    `at` is the place that the run is given.

    Raises SpecError where the model has nothing to run there, sizes come out wrong, or a layer has no fused form.
    """
    if layers is Layers.FUSED and scope not in {Scope.LAYER, Scope.MODEL}:
        raise SpecError(f"of scope {scope} there is nothing to fuse", at=LAYERS,
                        remedy="choose --scope layer or model")  # fmt: skip
    if causal is Causal.SKIP:
        _refuse_uncausal(facts, lengths, layers)
    planner = _Planner(facts, lengths, scope, configuration if layers is Layers.FUSED else None, causal)
    kernels = planner.kernels()
    if not kernels:
        raise SpecError(f"{facts.name} has no kernels of scope {scope} in phase {lengths.phase}",
                        at=at, remedy="choose another phase or scope")  # fmt: skip
    weights, cached = planner.weights(), planner.cached()
    cache = sum(each.words * each.layers * each.tokens for each in cached)
    return ModelRun(
        facts.name, facts.family.name, scope, lengths, kernels, sum(each.times * each.words for each in weights),
        sum(each.times * each.active for each in weights), cache,
        facts.unused, facts.left_out, layers=layers, weights=weights, cached=cached, causal=causal, at=facts.at,
    )  # fmt: skip


def _refuse_uncausal(facts: Facts, lengths: Lengths, layers: Layers) -> None:
    """Raises SpecError where there are no hidden scores, or where they cannot be left out."""
    kernels = [kernel for group in facts.family.groups for kernel in group.kernels]
    if not any(kernel.causal for kernel in kernels):
        raise SpecError(f"{facts.name}: nothing hides scores in the attention of family {facts.family.name}", at=CAUSAL,
                        remedy="leave it out")  # fmt: skip
    if lengths.phase == "decode":
        raise SpecError("a token that is made sees all tokens: nothing is hidden in a decode", at=CAUSAL,
                        remedy="leave it out, or choose --phase prefill")  # fmt: skip
    if layers is Layers.FUSED:
        raise SpecError("a fused layer runs hidden scores too: its blocks of tokens stand for each other", at=CAUSAL,
                        remedy="choose --layers sequential or overlapped, or leave it out")  # fmt: skip


class _Planner:
    """Evaluates the expressions of a family at the lengths of a run; `fused` is the configuration of fused layers."""

    def __init__(
        self, facts: Facts, lengths: Lengths, scope: Scope, fused: str | None = None, causal: Causal = Causal.COUNT
    ) -> None:
        self.facts = facts
        self.family = facts.family
        self.values = dict(facts.values)
        self.lengths = lengths
        self.scope = scope
        self.fused = fused
        self.causal = causal

    def size(self, text: str, values: Mapping[str, int], what: str) -> int:
        return evaluate_size(text, values, self.facts.at, f"{self.family.name}: {what}")

    def facts_of(self, group: Group) -> dict[str, int]:
        own = {name: self.size(text, self.values, group.name) for name, text in group.facts.items()}
        return {**self.values, **own}

    def kernels(self) -> tuple[PlannedKernel, ...]:
        """All kernels of the scope; those of the same sizes in several steps once, with their sum of times."""
        found: dict[PlannedKernel, int] = {}
        for group in self.family.groups:
            values = self.facts_of(group)
            repeat = self.size(group.repeat, values, group.name)
            if self.scope is not Scope.MODEL:
                repeat = min(repeat, 1) if group.layer else 0
            if not repeat or not self.here(group.phase):
                continue
            for kernel in self.kernels_of(group, values):
                if self.here(kernel.phase) and self.wanted(kernel):
                    for planned, times in self.planned(group, kernel, values):
                        found[planned] = found.get(planned, 0) + times * repeat
        return tuple(replace(k, times=times) for k, times in found.items())

    def kernels_of(self, group: Group, values: dict[str, int]) -> list[Kernel]:
        """What runs of a group: its kernels, or where layers are fused what stands for them."""
        if self.fused is None or not group.layer:
            return self.family.kernels_of(group)
        forms = self.family.fused_of(group)
        for form in forms:
            if form.configuration == self.fused and self.here(form.phase):
                self.check_needs(group, form, values)
                return form.kernels
        known = ", ".join(f"{form.configuration} ({form.phase})" for form in forms) or "none yet"
        raise SpecError(
            f"{self.facts.name}: a {group.name} of family {self.family.name} has no fused form of {self.fused} in a "
            f"{self.lengths.phase}; there is: {known}",
            at=LAYERS, remedy="choose sequential or overlapped",
        )  # fmt: skip

    def check_needs(self, group: Group, form: Fused, values: dict[str, int]) -> None:
        """Raises SpecError where a fused form is not of the layer that the model has, or not of all its sequences."""
        for each in self.lengths.at_step(0)[1]:
            for need in form.needs:
                if self.size(need.zero, {**values, **each}, f"{group.name}, fused"):
                    raise SpecError(f"{self.facts.name}: the fused form of a {group.name} needs {need.says}",
                                    at=LAYERS, remedy="choose sequential or overlapped")  # fmt: skip

    def here(self, phase: Phase | None) -> bool:
        return phase is None or phase == self.lengths.phase

    def wanted(self, kernel: Kernel) -> bool:
        return self.scope in {Scope.MODEL, Scope.LAYER} or kernel.belongs in self.scope.split("+")

    def planned(self, group: Group, kernel: Kernel, values: dict[str, int]) -> Iterable[tuple[PlannedKernel, int]]:
        """A kernel at each step and length, with how often a layer runs it there."""
        texts = [*kernel.sizes.values(), kernel.instances, kernel.repeat]
        names = frozenset[str]().union(*(expression(text, self.facts.at).names for text in texts))
        by_length = bool(names & (_OF_LENGTHS - {"sequences"}))
        changes = by_length or "longest" in names or "cached_tokens" in names
        for step in range(self.lengths.steps if changes else 1):
            whole, each = self.lengths.at_step(step)
            for own in each if by_length else [whole]:
                env = {**values, **own}
                repeat = self.size(kernel.repeat, env, kernel.name)
                if repeat:
                    for block in self.blocks(kernel, env):
                        yield self.sized(group, kernel, block), repeat * (1 if changes else self.lengths.steps)

    def blocks(self, kernel: Kernel, env: dict[str, int]) -> list[dict[str, int]]:
        """What expressions read of each block of queries, where hidden scores are left out; of all of them else."""
        if self.causal is Causal.COUNT or not kernel.causal:
            return [env]
        new, context = env["new"], env["context"]
        parts = max(1, min(BLOCKS, new // LEAST_BLOCK))
        ends = [-(-new * part // parts) for part in range(parts + 1)]
        return [{**env, "new": end - start, "keys": context + end} for start, end in pairwise(ends)]

    def sized(self, group: Group, kernel: Kernel, env: dict[str, int]) -> PlannedKernel:
        sizes = {name: self.size(text, env, f"{kernel.name}, {name}") for name, text in kernel.sizes.items()}
        for name, size in sizes.items():
            if not 0 < size <= INT64_MAX:
                raise SpecError(f"{kernel.name}: size {name}={size} is not between 1 and 2^63 - 1", at=self.facts.at,
                                remedy="check the lengths and the batch")  # fmt: skip
        instances = self.size(kernel.instances, env, kernel.name)
        return PlannedKernel(kernel.name, group.name, kernel.belongs, kernel.mapping, kernel.cascade,
                             tuple(sizes.items()), instances, 0, self.choices(kernel, env))  # fmt: skip

    def choices(self, kernel: Kernel, env: dict[str, int]) -> tuple[tuple[str, str], ...]:
        """What the model decides of a kernel's mapping."""
        found = []
        for name, picked in kernel.choices.items():
            place = self.size(picked.by, env, f"{kernel.name}, {name}")
            if not 0 <= place < len(picked.of):
                raise SpecError(f"{kernel.name}: {name} has no value {place}", at=self.facts.at,
                                remedy=f"it has 0 to {len(picked.of) - 1}: {', '.join(picked.of)}")  # fmt: skip
            found.append((name, picked.of[place]))
        return tuple(found)

    def weights(self) -> tuple[Weights, ...]:
        """Parameters of every kernel of the model."""
        found = []
        for group in self.family.groups:
            values = self.facts_of(group)
            repeat = self.size(group.repeat, values, group.name)
            for kernel in self.family.kernels_of(group):
                own = repeat * self.size(kernel.repeat, values, kernel.name)
                words = self.size(kernel.weights, values, kernel.name)
                active = words if kernel.active is None else self.size(kernel.active, values, kernel.name)
                found.append(Weights(kernel.name, group.name, own, words, active))
        return tuple(found)

    def cached(self) -> tuple[Cached, ...]:
        """The cache of all layers once the run is over; nothing where a model keeps none."""
        tokens = sum(count * (context + self.lengths.new) for count, context in self.lengths.cached)
        found = []
        for group in self.family.groups:
            values = self.facts_of(group)
            words = self.size(group.cached, values, group.name)
            found.append(Cached(group.name, words, self.size(group.repeat, values, group.name), tokens))
        return tuple(each for each in found if each.words)
