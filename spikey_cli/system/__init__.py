"""What is asked of the operating system: whole files, signals, worker threads, progress, reads at any offset.

Imports `errors` only.
"""
