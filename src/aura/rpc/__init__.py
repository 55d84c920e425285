"""gRPC: the messages, the server, the statuses, the platform's contract."""
