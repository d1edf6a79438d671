//! Values as people write them in a config file.
