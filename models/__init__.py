"""What stands in for a measurement: fitted PPA models, and the energies of off-chip memory.

Every model carries its error and its range.  `models.ppa` predicts one PE point from shipped or
own fits; `models.pe_ppa` adds the macro scratchpads (`flows.sram`) for a whole PE.
"""
