"""Images as vectors: by pixels, fixed filters, or a layer of a trained model."""
