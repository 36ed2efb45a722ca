"""The embedded weights, their model card and their checksums."""
