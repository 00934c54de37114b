"""How outside tools are run: cell libraries, synthesis, timing, energies, simulation.

This room takes Verilog text and names in and gives figures out.  It knows no PE, no number format
and no library's cell names.
"""
