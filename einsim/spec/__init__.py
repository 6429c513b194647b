"""Files and what they say: architectures, mappings, workloads, configurations."""
