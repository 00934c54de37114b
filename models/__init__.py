"""What stands in for a measurement: fitted PPA models, the SRAM model and the DRAM energies.

Every model carries its error and its range.  `models.ppa` predicts one PE point from shipped or
own fits, `models.sram` tabulates memories, `models.pe_ppa` puts both together for a whole PE.
"""
