//! The websocket service: upgrade and tunnel.
