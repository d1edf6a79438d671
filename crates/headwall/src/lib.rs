//! Headwall as a library: register modules, read a config, run.
