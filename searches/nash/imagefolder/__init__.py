"""Image-folder archives, converted once to arrays on disk."""
