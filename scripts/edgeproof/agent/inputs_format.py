"""The format of an inputs file: an npz with one array `inputs/{name}` per input, an entry per sample.

This module imports nothing, so that whoever writes such a file can have it.
"""

# An array of names in an inputs file: of the inputs whose entries are whole, with no batch axis to be put before them.
WHOLE_INPUTS = "whole_inputs"
