"""The five blocks: what is specific to each image."""
