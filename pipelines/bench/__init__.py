"""Measurements of the engine beside other libraries, on the same networks with the same weights.

Nothing here imports the engine or a library before it is asked to: fresh processes that measure one of them must not
pay for another.
"""
