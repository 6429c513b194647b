"""The mapper: which tiles, loops, fusion, residency and arrays make a cascade fast or frugal on a machine."""
