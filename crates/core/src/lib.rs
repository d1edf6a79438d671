//! The framework of Headwall: filters, services, upstreams and the gateway that runs them.
