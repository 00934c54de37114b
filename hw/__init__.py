"""What the silicon is: number formats, processing elements, scratchpads; emits Verilog.

This room knows no tool and no measurement.  Its configuration classes (`PEConfig`,
`AcceleratorConfig`, `Layer`, `Mapping`) are the vocabulary of every other room.
"""
