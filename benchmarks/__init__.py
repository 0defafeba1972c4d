"""Measures cyconv beside the libraries that a user would otherwise reach for.

Run it from the top of the repository::

    python -m benchmarks
    python -m benchmarks --section layers --threads 1 2 --rounds 7 --match resnet50
"""
