//! Origins, clients and an in-process gateway for tests of Headwall and its modules.
