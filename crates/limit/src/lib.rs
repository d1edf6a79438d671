//! Rate limiters with nginx's accounting, over an injected clock.
