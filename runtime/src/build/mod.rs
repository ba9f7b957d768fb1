//! Building images from Dockerfiles.
//!
//! ```text
//! builds/work/<build>/context/    what the client sent, or what was fetched
//! builds/work/<build>/trash/      in the way while that was unpacked
//! ```
//! - [`context`]: the files a build may read, and its Dockerfile among them; [`ignore`]: those left out
//! - [`dockerfile`]: from text to instructions, stages and findings
//! - [`plan`]: what will be done; every reason to refuse it is found here, before the first step runs
//! - [`execute`]: doing it, stage beside stage, each step found in the [`cache`] or done and kept
//! - [`copy`]: COPY and the local part of ADD: what is selected, its digest, and writing it; [`add`]: ADD's archives
//! - [`host`]: what a builder asks of the engine, as a trait
//!
//! Invariants: every path inside a context, a stage or the tree that is written is resolved by openat2 inside its root;
//! nothing here knows containers or the network.

pub mod add;
pub mod cache;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod execute;
pub mod git;
pub mod host;
pub mod ignore;
pub mod pattern;
pub mod plan;
pub mod reach;
pub mod remote;
mod run;
mod stage;
mod strip;
mod transfer;
