"""Who asks: workloads, mapping, evaluation, search and reports."""
