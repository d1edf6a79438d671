//! Sockets in front of a gateway: accept loop, deadlines, caps.
