"""
One stage per block: a request and the shared folder in, a reply out.

This is the only place where files and the library meet. Every stage is
idempotent: the same request writes the same bytes under the same names.
"""
