"""What can be said of a cascade whatever the mapping: passes over a sequence, and what must stay alive."""
