"""gRPC: messages, server, client, and errors as statuses."""
