"""Semivisible jets against QCD multijets, with normalized autoencoders: see `__main__`. QCD only."""
