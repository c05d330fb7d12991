"""What the sides of `edgeproof compare` may differ in besides model and precision, which follow from what they are."""

OPTIONAL_VARIES = ("input_shape", "batch_size", "inputs")
