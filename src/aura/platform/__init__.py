"""The blocks on the platform: what it composes, deploys and onboards."""
