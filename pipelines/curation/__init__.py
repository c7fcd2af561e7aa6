"""From labelled images to a dataset that can be trusted: labels, splits, duplicates, audit and pictures of it."""
