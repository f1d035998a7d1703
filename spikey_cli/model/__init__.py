"""The predictor: a frozen network whose arithmetic is proven to be exact.

It may import `core`, `topology`, `io`, `system` and `errors`.

    graph           reads the subset of ONNX that a predictor may use
    certify         proves that float32 evaluates a graph exactly
    chain           finds whether a graph is a chain of layers, which `core.network` evaluates
    predictor       the model, its metadata, and its ONNX Runtime session
    inference       evaluates a predictor that is no chain for a group of lanes
    self_test       whether a model gives the numbers here that it gave when it was frozen
    zoo             the models that come with the package
"""
