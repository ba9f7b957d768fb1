//! Docker's wire types, one file per noun. They are made from the runtime's views and turned into its requests; they go
//! nowhere else.

// The fields are named by Docker.
#![allow(clippy::struct_field_names)]

pub(super) mod build;
pub(super) mod build_cache;
pub(super) mod container;
pub(super) mod create;
pub(super) mod exec;
pub(super) mod health;
pub(super) mod host_config;
pub(super) mod image;
pub(super) mod inspect;
pub(super) mod isolation;
pub(super) mod life;
pub(super) mod network;
pub(super) mod networks;
pub(super) mod progress;
pub(super) mod stats;
pub(super) mod system;
pub(super) mod volume;
