"""From a mapped design to SystemVerilog: what every element does in every slot, and the control that issues it."""
