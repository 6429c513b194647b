"""Peers run side by side with einsim, where they are installed."""
