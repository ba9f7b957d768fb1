//! The pages. One file per noun holds its page structs and handlers and mirrors `web/templates`.
//!
//! Every page is whole HTML and every action is a form: script makes it faster, never possible. Pages call [`crate::ops`]
//! and draw what it answers; they touch neither the database nor the engine. Templates see page structs only, and nothing
//! a person or a container wrote is ever marked as safe.

#![allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_self,
    reason = "templates call methods and pass everything by reference"
)]

pub mod account;
pub mod assets;
pub mod audit;
pub mod build_cache;
pub mod build_form;
pub mod build_new;
pub mod build_records;
pub mod builds;
pub mod chart;
pub mod confirm;
pub mod container;
pub mod container_actions;
pub mod container_changes;
pub mod container_commit;
pub mod container_edit;
pub mod container_inspect;
pub mod container_logs;
pub mod container_mounts;
pub mod container_prune;
pub mod container_restart;
pub mod container_settings;
pub mod container_usage;
pub mod containers;
pub mod download;
pub mod error;
pub mod health;
pub mod image;
pub mod image_bring;
pub mod image_import;
pub mod image_names;
pub mod image_prune;
pub mod image_remove;
pub mod image_save;
pub mod image_search;
pub mod images;
pub mod launch;
pub mod launch_form;
pub mod launch_health;
pub mod launch_input;
pub mod launch_isolation;
pub mod launch_life;
pub mod launch_limits;
pub mod launch_names;
pub mod launch_volumes;
pub mod network;
pub mod network_picture;
pub mod networks;
pub mod operations;
pub mod overview;
pub mod page;
pub mod people;
pub mod registries;
pub mod registry;
pub mod request;
pub mod run_line;
pub mod shell;
pub mod sign_in;
pub mod teams;
pub mod terminal;
pub mod tokens;
mod tree;
pub mod upload;
pub mod volume;
pub mod volume_edit;
pub mod volume_files;
pub mod volumes;

#[cfg(test)]
mod drawn;

/// Text for one value of a query.
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
