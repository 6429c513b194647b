"""The least number of traversals of a sequence by trying all orders: exact, tiny sizes only, nothing of the analysis.

An *instance* is a statement at one point of its space. One traversal visits the elements of the sequence in any
order (of a split or many-ranked sequence: those of its outermost rank, a whole tile or row a visit). At a visit, every
instance runs that belongs to this element and whose operands are there; one that belongs to several elements runs
once this traversal has visited them all. What belongs to no element runs as soon as its operands are there.
"""

import itertools
from dataclasses import dataclass

from einsim.cascade import accesses, bind_sizes, iteration_ranks, operands


@dataclass(frozen=True)
class Instance:
    """Bits of the instances it needs, and the elements of the sequence that it belongs to."""

    needs: int
    elements: frozenset


def least_traversals(cascade, sizes):
    """How many traversals make everything, at least."""
    everything = Everything(cascade, bind_sizes(cascade, sizes))
    return everything.least()


class Everything:
    """All instances of a cascade. Points that a filter on positions leaves out do not exist."""

    def __init__(self, cascade, sizes):
        self.cascade = cascade
        self.sizes = sizes
        self.walks = self.all_walks()
        found = [*self.first_slices(), *self.points()]
        writers = {}
        for bit, (_, writes, _) in enumerate(found):
            for element in writes:
                writers[element] = writers.get(element, 0) | 1 << bit
        self.instances = [
            Instance(sum_of_bits(writers.get(element, 0) for element in reads), elements)
            for reads, _, elements in found
        ]
        self.elements = sorted(frozenset().union(*(instance.elements for instance in self.instances)))

    def all_walks(self):
        """(ranks, tile): the walks declared and those of their parts; an element of the first is in tile c//tile."""
        found = []
        for walk in self.cascade.sequences[0].walks:
            found.append((walk, 1))
            for split in self.cascade.splits:
                if split.rank == walk[0]:
                    found = [(w, self.sizes[split.size] if w == walk else t) for w, t in found]
                    found.append(((split.outer, split.inner, *walk[1:]), 1))
                    inner = next((s for s in self.cascade.splits if s.rank == split.inner), None)
                    if inner is not None:
                        found.append(((split.outer, inner.outer, inner.inner, *walk[1:]), 1))
        return found

    def first_slices(self):
        """Reads, writes and elements of each first slice: it belongs to no element."""
        for init in self.cascade.inits:
            ranks = [rank for index in init.output.indices for rank in index.ranks]
            for point in self.space(ranks):
                reads = [self.element(access, point) for access in accesses(init.body)]
                yield reads, [self.element(init.output, point)], frozenset()

    def points(self):
        for einsum in self.cascade.einsums:
            ranks = iteration_ranks(einsum)
            for point in self.space(ranks):
                if not self.kept(einsum.when, point):
                    continue
                places = range(self.sizes[einsum.selected.upper()]) if einsum.selected else [0]
                writes = [self.element(einsum.output, {**point, einsum.selected: place}) for place in places]
                reads = [self.element(access, point) for access in operands(einsum)]
                yield reads, writes, self.visited(point)

    def space(self, ranks):
        for place in itertools.product(*(range(self.sizes[rank.upper()]) for rank in ranks)):
            yield dict(zip(ranks, place, strict=True))

    def kept(self, when, point):
        """Filters on values leave every point; those on positions are `m <= p` and the like."""
        if when is None or accesses(when):
            return True
        left, right = (str(side) for side in (when.left, when.right))
        return {"<=": point[left] <= point[right], "<": point[left] < point[right]}[when.operator]

    def element(self, access, point):
        return access.tensor, tuple(index.value(point, self.sizes) for index in access.indices)

    def visited(self, point):
        """The elements of the sequence that a point belongs to: one a walk that it has all ranks of."""
        return frozenset(point[walk[0]] // tile for walk, tile in self.walks if set(walk) <= set(point))

    def least(self):
        done = self.run_free(0)
        everything, reached, count = (1 << len(self.instances)) - 1, {done}, 0
        while everything not in reached:
            orders = list(itertools.permutations(self.elements))
            reached = {self.traverse(state, order) for state in reached for order in orders}
            reached = {
                state for state in reached if not any(state != other and state | other == other for other in reached)
            }
            count += 1
            assert count < 20, "something can never be made"
        return count

    def traverse(self, done, order):
        seen = set()
        for element in order:
            seen.add(element)
            waiting = [
                (1 << bit, instance.needs)
                for bit, instance in enumerate(self.instances)
                if element in instance.elements and instance.elements <= seen
            ]
            before = None
            while before != done:
                before = done
                for bit, needs in waiting:
                    if needs & done == needs:
                        done |= bit
                done = self.run_free(done)
        return done

    def run_free(self, done):
        """Everything that belongs to no element and can be made."""
        before = None
        while before != done:
            before = done
            for bit, instance in enumerate(self.instances):
                if not instance.elements and instance.needs & done == instance.needs:
                    done |= 1 << bit
        return done


def sum_of_bits(parts):
    total = 0
    for part in parts:
        total |= part
    return total
