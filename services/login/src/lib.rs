//! What guards an app's own login against guessing.
