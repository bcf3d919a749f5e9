"""Which way of teaching a network a symmetry works best, when the detector breaks that symmetry."""
