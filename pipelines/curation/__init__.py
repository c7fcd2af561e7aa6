"""From labelled images to a dataset that can be trusted: hashes, duplicates, audit and pictures of it."""
