//! Debian's docker-registry on a space's loopback, filled by plain HTTP uploads.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
};

use crate::{
    Space, client,
    image::{Blob, Compression, Image},
    wait::Heard,
};

/// How a registry is guarded, besides by not being reachable from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Guarded {
    /// One name and password: [`Registry::USER`], [`Registry::PASSWORD`].
    pub basic: bool,
    /// Certificate, its key, and who vouches for those who come; then it answers at [`Registry::TLS_ADDRESS`].
    pub tls: Option<[PathBuf; 3]>,
}

/// A registry at [`Registry::ADDRESS`] of a space.
pub struct Registry<'space> {
    space: &'space Space,
    process: Child,
    output: Heard,
    storage: PathBuf,
}

impl<'space> Registry<'space> {
    /// Where it answers inside the space.
    pub const ADDRESS: &'static str = "127.0.0.1:5000";

    /// Where it answers when it is guarded by certificates: not on loopback, where anything goes.
    pub const TLS_ADDRESS: &'static str = "192.0.2.1:5443";
    /// Who may come in.
    pub const USER: &'static str = "sailor";
    /// By this.
    pub const PASSWORD: &'static str = "sailor";

    /// Starts one and waits until it listens.
    pub fn start(space: &'space Space) -> Self {
        Self::start_guarded(space, &Guarded::default())
    }

    /// The same, guarded.
    pub fn start_guarded(space: &'space Space, guarded: &Guarded) -> Self {
        let storage = space.side().join("registry");
        let config = space.side().join("registry.yml");
        let (mut address, mut more) = (Self::ADDRESS, String::new());
        if let Some([certificate, key, clients]) = &guarded.tls {
            address = Self::TLS_ADDRESS;
            let [certificate, key, clients] = [certificate, key, clients].map(|path| path.display());
            more = format!(", tls: {{certificate: {certificate}, key: {key}, clientcas: [{clients}]}}");
        }
        let mut text = format!(
            "version: 0.1\nlog: {{level: info, formatter: text}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: \"{address}\", secret: test{more}}}\n",
            storage.display(),
        );
        if guarded.basic {
            let users = space.side().join("htpasswd");
            // bcrypt of the password, cheap because it is no secret.
            let line = "sailor:$2b$05$abcdefghijklmnopqrstuum8zdgiQP/A2YunoxMxDX05P3AUA9Y0i\n";
            fs::write(&users, line).expect("a file in our folder");
            text = [text, format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display())].concat();
        }
        fs::write(&config, text).expect("a file in our folder");
        let mut command = space.command("docker-registry");
        command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("nsenter (package util-linux) runs");
        let output = Heard::from(process.stderr.take().expect("it is piped"));
        output.until("listening on");
        Self { space, process, output, storage }
    }

    /// Stores an image under a name and tag, `library/test` and `1`; gives the manifest's digest.
    pub fn push(&self, name: &str, tag: &str, image: &Image, compression: Compression) -> String {
        self.push_blobs(name, tag, &image.blobs(compression))
    }

    /// Stores blobs, and the first of them as a manifest; gives its digest.
    pub fn push_blobs(&self, name: &str, tag: &str, blobs: &[Blob]) -> String {
        let (manifest, blobs) = blobs.split_first().expect("a manifest comes first");
        self.space.inside(|| async {
            for blob in blobs {
                self.put_blob(name, blob).await;
            }
            self.put_manifest(name, tag, manifest).await;
        });
        manifest.digest.clone()
    }

    /// Stores a manifest or an index as it is.
    pub fn push_manifest(&self, name: &str, tag: &str, manifest: &Blob) {
        self.space.inside(|| self.put_manifest(name, tag, manifest));
    }

    async fn put_blob(&self, name: &str, blob: &Blob) {
        let client = client();
        let begun = client.post(format!("http://{}/v2/{name}/blobs/uploads/", Self::ADDRESS)).send().await;
        let begun = begun.expect("the registry answers");
        assert_eq!(begun.status(), 202, "{}", self.log());
        let location = begun.headers()["location"].to_str().expect("an address").to_owned();
        let base = reqwest::Url::parse(&format!("http://{}/", Self::ADDRESS)).expect("an address");
        let mut location = base.join(&location).expect("an address");
        location.query_pairs_mut().append_pair("digest", &blob.digest);
        let request = client.put(location).header("content-type", "application/octet-stream").body(blob.bytes.clone());
        let stored = request.send().await.expect("the registry answers");
        assert_eq!(stored.status(), 201, "{}", self.log());
    }

    async fn put_manifest(&self, name: &str, tag: &str, manifest: &Blob) {
        let address = format!("http://{}/v2/{name}/manifests/{tag}", Self::ADDRESS);
        let request = client().put(address).header("content-type", &manifest.media_type).body(manifest.bytes.clone());
        let stored = request.send().await.expect("the registry answers");
        assert_eq!(stored.status(), 201, "{}", self.log());
    }

    /// What it has logged: one line for each request.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// Its storage folder, for tests that damage it.
    pub fn storage(&self) -> &PathBuf {
        &self.storage
    }
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
