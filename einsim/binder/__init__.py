"""Which array runs each Einsum, and in which cycle: found by constraint programming, with bounds beside."""
