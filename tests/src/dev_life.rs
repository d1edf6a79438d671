//! Temporary.
mod command_line;
mod health;
mod reload;
mod shutdown;
mod websocket;
