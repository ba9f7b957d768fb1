//! What the test groups stand on.
//!
//! [`Darsena`] starts the real program in a network and a mount namespace of its own ([`Space`]) with temporary
//! folders; [`Docker`] drives it with the real docker client, [`Api`] without one; [`image`] makes images from busybox-static;
//! [`Registry`] is Debian's docker-registry inside the same namespace, [`Faulty`] spoils what it says; [`Browser`] is headless Chromium there;
//! [`guest`] boots a virtual machine that only has cgroup v2; [`slate`] names what was left behind.
//! [`Suite`] runs a group's tests one after the other on one server, with the clean-slate check after each.
//!
//! Invariants: nothing outside the namespaces is changed but cgroups below the server's own parent and the temporary
//! folder, and both are swept when the test process ends, even by a kill. No sleeps as synchronisation: a wait names
//! what it waits for and panics at its deadline. A test that can't run here is reported as ignored, or fails where
//! `DARSENA_TESTS_REQUIRED=1`.
//!
//! `DARSENA_TESTS_DIR` (default `/var/tmp`) must be on a disk file system: overlayfs needs that for its upper folder.

mod api;
mod browser;
mod darsena;
mod docker;
pub mod escape;
mod faulty;
pub mod guest;
mod held;
pub mod image;
mod memory;
mod registry;
pub mod slate;
mod space;
mod suite;
pub mod wait;

pub use api::{Api, unframed};
pub use browser::{Browser, Look};
pub use darsena::{Darsena, Settings};
pub use docker::{Docker, Output, Running};
pub use faulty::{Answer, Ask, Fault, Faulty};
pub use held::{beside, held, own_threads};
pub use memory::{Memory, anonymous};
pub use registry::{Guarded, Registry};
pub use space::Space;
pub use suite::{Suite, missing, required};

/// A plain HTTP client that keeps cookies and follows no redirects.
pub fn client() -> reqwest::Client {
    trust();
    reqwest::Client::builder()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_mins(1))
        .build()
        .expect("a client with these options can be built")
}

/// The client library wants a crypto provider even for plain HTTP; the first one set stays.
fn trust() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
