"""The predictor: the ONNX subset, the proof that it is exact, the shipped models, their self-test, ONNX Runtime.

Imports `core` and below.
"""
