"""Fourier transforms, windows, frames, spectra."""
