//! Darsena's embedded container engine: it runs containers itself, by system calls.
//!
//! It knows nothing of HTTP serving, users or SQLite.

pub mod fault;
pub mod id;
pub mod init;
pub mod logs;
pub mod monitor;
pub mod spec;
pub mod sys;

#[cfg(feature = "engine")]
pub mod cgroup;
#[cfg(feature = "engine")]
pub mod content;
#[cfg(feature = "engine")]
pub mod digest;
#[cfg(feature = "engine")]
pub mod durable;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod error;
#[cfg(feature = "engine")]
pub mod image;
#[cfg(feature = "engine")]
pub mod lease;
#[cfg(feature = "engine")]
pub mod meter;
#[cfg(feature = "engine")]
pub mod network;
#[cfg(feature = "engine")]
pub mod oci;
#[cfg(feature = "engine")]
pub mod paths;
#[cfg(feature = "engine")]
pub mod reference;
#[cfg(feature = "engine")]
pub mod registry;
#[cfg(feature = "engine")]
pub mod request;
#[cfg(feature = "engine")]
pub mod seccomp;
#[cfg(feature = "engine")]
pub mod snapshot;
#[cfg(feature = "engine")]
pub mod undo;
#[cfg(feature = "engine")]
pub mod view;
