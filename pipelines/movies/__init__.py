"""From raw films to faces: decoding, scenes, detection, quality, duplicates, and a dataset that grows film by film."""
