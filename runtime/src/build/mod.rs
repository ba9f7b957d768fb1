//! Image builds: from a Dockerfile and a context to an image.
//!
//! ```text
//! <folder of a build>/context/    what the client sent, or what was fetched
//! <folder of a build>/trash/      in the way while that was unpacked
//! ```
//! - [`dockerfile`] reads the text, [`ignore`] says what of the context a build may see, [`pattern`] is the glob both use
//! - [`context`]: the files a build may read, and its Dockerfile among them
//! - [`copy`]: COPY and the local part of ADD: what is selected, its digest, and writing it
//! - [`add`]: ADD's archives; [`remote`] and [`git`]: what it fetches, from where [`reach`] allows
//!
//! Invariants: every path inside a context, a stage or the tree that is written is resolved by openat2 inside its root;
//! nothing here knows containers. Only what is said in the Dockerfile, or is the context, is fetched.

pub mod add;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod git;
pub mod ignore;
pub mod pattern;
pub mod reach;
pub mod remote;
