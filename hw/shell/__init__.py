"""The shell of an accelerator: everything around its array.

Data in: `off_chip` packs beats into rows, `filter_queue` and `tile_buffer` keep them, `feeder` cuts
rows into beats of a network with their tags.  Psums: `psum_buffer`, on their last way out through
`requantizer`.  `registers` say what a layer is, `sequencer` makes its passes of them.
"""
