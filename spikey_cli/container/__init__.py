"""The bytes of `.spk`: archive, directory, block tables, index, salvage, and the limits of a reader.

May import `core`, `topology`, `io` and `system`. A container knows no predictor: `model` is above it.
"""
