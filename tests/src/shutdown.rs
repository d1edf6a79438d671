//! The end of a server: no new connections, what is under way finishes, what does not is cut, and nobody waits longer than
//! needed.

mod drained;
mod overdue;
