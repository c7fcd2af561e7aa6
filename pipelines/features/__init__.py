"""Vectors of images: made in several ways, compared, searched."""
