//! YAML configuration: typed by name, with every error at its place.
