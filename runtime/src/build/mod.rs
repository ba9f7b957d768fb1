//! Building images from Dockerfiles.
//!
//! Dockerfile read whole -> stages the target needs -> each step: found in the cache, or run and kept -> image. Everything
//! that can be refused is refused before the first step runs. The room runs no container itself: what it needs of the
//! engine it asks for by a trait.

pub mod cache;
