"""Compiled kernels: numpy and numba only, serial, no validation, no knowledge of models."""
