"""What the package asks of the operating system: complete files, signals, worker threads, progress, random access.

May import `errors`.
"""
