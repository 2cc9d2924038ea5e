"""Where user code runs: a pool of child processes, one a slot, that can be killed for certain."""
