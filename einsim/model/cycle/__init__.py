"""The cycle model: programs executed slot by slot against the resources of a machine."""
