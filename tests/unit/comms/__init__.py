"""Keys, bytes, frames and sockets."""
