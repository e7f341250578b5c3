"""Classifiers: texts as features, fitting, packing, and what is measured of them; reads no home."""
