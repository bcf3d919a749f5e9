"""Generators: RECO jets out of GEN jets, jets and digits out of noise."""
