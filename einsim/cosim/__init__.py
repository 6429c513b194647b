"""Generated hardware against the golden arithmetic, bit by bit, and against the cycle model, cycle by cycle."""
