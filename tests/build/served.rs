//! Files by http, for builds that fetch: `file.txt`, `index.html` (the address without a name), `t.tar`, `context.tar.gz` and `Dockerfile`, at
//! <http://127.0.0.1:8099/>.

use std::{
    fs::{self, File},
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

use harness::{Space, image::Compression, wait::eventually};

use crate::context;

const PORT: u16 = 8099;
/// When all files were changed.
const CHANGED: u64 = 1_400_000_000;

/// A server, while it is kept.
pub struct Served(Child);

impl Served {
    /// Starts it.
    pub fn start(space: &Space) -> Self {
        let folder = space.side().join("www");
        fs::create_dir(&folder).unwrap();
        let archive = |lines: &[&str]| {
            let mut entries = Vec::new();
            context::add(&mut entries, lines).unwrap();
            context::archive(&entries, CHANGED)
        };
        let whole = archive(&[
            "file Dockerfile FROM base\\nCOPY a /a\\n",
            "file a fetched\\n",
            "file .dockerignore b",
            "file b x",
        ]);
        for (name, bytes) in [
            ("file.txt", b"served\n".to_vec()),
            ("index.html", b"index\n".to_vec()),
            ("t.tar", archive(&["file 640 5:6 inside x"])),
            ("context.tar.gz", Compression::Gzip.apply(&whole)),
            ("Dockerfile", b"FROM base\nLABEL by=address\n".to_vec()),
        ] {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(CHANGED);
            File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
        }
        let mut command = space.command("/bin/busybox");
        command.args(["httpd", "-f", "-p", &format!("127.0.0.1:{PORT}"), "-h"]).arg(folder);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dial = space.dialler(PORT);
        eventually("the files are served", dial);
        Self(process)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
