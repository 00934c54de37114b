"""Processing elements: the datapath of a PE type, three scratchpads and a control.

`registry` lists the PE types, `golden` says in plain Python what a PE computes, `pe` puts the parts
together: `datapath`, `spad` and `control` are synthesized as modules of their own, so that area
and energy can be told apart.
"""
