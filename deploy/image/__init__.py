"""The operator's image: a Containerfile, and the same file system without a builder."""
