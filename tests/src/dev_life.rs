//! Temporary.
mod websocket;
mod health;
mod reload;
mod shutdown;
mod command_line;
