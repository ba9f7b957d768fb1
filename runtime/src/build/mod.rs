//! Image builds: from a Dockerfile and a context to an image.
//!
//! [`dockerfile`] reads the text, [`ignore`] says what of the context a build may see, [`pattern`] is the glob both use.

pub mod dockerfile;
pub mod ignore;
pub mod pattern;
