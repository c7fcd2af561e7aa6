"""From labelled images to a dataset that can be trusted: hashes, duplicates, audit, augmented copies, pictures of it."""
