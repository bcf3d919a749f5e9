"""The public layouts: files as the publishers write them, made from Pythia jets.

One file a data set. Each holds ``LAYOUT``, which the contract and the tests of bad files follow.
"""
