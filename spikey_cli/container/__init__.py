"""The bytes of `.spk`: archive, directory, block tables, index, salvage, and the limits of a reader.

Imports `core` and below, and nothing of `model`: a container knows no predictor.
"""
