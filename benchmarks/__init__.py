"""Claims and what prints them: one module per claim of the README and docs/results.md.

`make bench` prints ratios (python -m benchmarks); `make study-precision` and `make study-clipping` settle what a
setting does to accuracy. docs/results.md holds what they printed. Needs all of CIFAR-10 (images.py says where from).
"""
