"""Training of predictors with PyTorch, and their export as exact integer ONNX graphs. Needs PyTorch and onnx.

Imports `analysis` (for its plots), `api` and below; only `cli` imports it.

    config.py             the configuration of a training, read from YAML
    recordings.py         the split of recordings by sessions, and their channels as tensors
    batches.py            batches of successive samples of channels
    features.py           linear features of a window as a matrix
    layers.py             layers that round as the exported graph does
    network.py            the network: feature extraction, latent projector, MiddleOut, predictor
    loss.py               code length of the range coder
    fit.py                gradient descent with early stopping
    converter_profile.py  estimate of the converter's bin widths
    export.py             the network as an ONNX graph
    run_log.py            log, learning curves and residual histogram of a run
    train.py              a whole training, from configuration to model
"""
