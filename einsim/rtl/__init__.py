"""Arithmetic as hardware does it: one frozen object per unit computes the bits and prints the SystemVerilog."""
