"""Taggers side by side: top against QCD jets, quark against gluon jets."""
