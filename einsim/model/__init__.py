"""Counts and costs: the closed form."""
