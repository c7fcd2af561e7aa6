"""Clusters of images by their vectors, and how well they agree with the classes."""
