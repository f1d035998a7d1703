"""Training of the frozen predictors. Needs the extra `train`; nothing of it is imported by the codec."""
