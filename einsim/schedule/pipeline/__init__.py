"""From loop nests to what every part of a machine does when: strands, links, and a plan in cycles."""
