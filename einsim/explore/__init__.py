"""Sweeps over spaces of designs."""
