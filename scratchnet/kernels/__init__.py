"""Pure compiled functions over arrays. They know nothing of tensors or layers; arguments are checked by the callers."""
