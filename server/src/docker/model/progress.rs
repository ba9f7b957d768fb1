//! The lines of JSON that pull, push and load answer with, in the texts that Docker's client shows and others look for.

use std::collections::BTreeSet;

use runtime::{
    digest::{Digest, ImageId},
    view::{LayerStep, LoadedImage, Progress, PulledImage, PushStep, Pushed},
};
use serde::Serialize;

/// One line.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::docker) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_detail: Option<Detail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aux: Option<Aux>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Facts for the client's program, not for the person.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Aux {
    /// Of a push.
    #[serde(rename_all = "PascalCase")]
    Pushed { tag: String, digest: Digest, size: u64 },
    /// Of a build.
    Built {
        #[serde(rename = "ID")]
        id: String,
    },
}

/// Bytes so far and in all; empty where there is nothing to count.
#[derive(Debug, Default, Serialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ErrorDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    message: String,
}

impl Line {
    /// A line that says this.
    pub(in crate::docker) fn status(status: impl Into<String>) -> Self {
        Self { status: Some(status.into()), ..Self::default() }
    }

    fn layer(status: &str, digest: &Digest) -> Self {
        Self { progress_detail: Some(Detail::default()), id: Some(digest.short()), ..Self::status(status) }
    }

    fn bytes(status: &str, digest: &Digest, current: u64, total: u64) -> Self {
        let detail = Detail { current: Some(current), total: Some(total).filter(|total| *total > 0) };
        Self { progress_detail: Some(detail), id: Some(digest.short()), ..Self::status(status) }
    }

    /// Text as it is shown.
    pub(in crate::docker) fn stream(text: String) -> Self {
        Self { stream: Some(text), ..Self::default() }
    }

    /// The id of an image that was built.
    pub(in crate::docker) fn image(id: &ImageId) -> Self {
        Self { aux: Some(Aux::Built { id: id.to_string() }), ..Self::default() }
    }

    /// The work failed after the head was sent.
    pub(in crate::docker) fn failed(message: String) -> Self {
        Self::failed_with(message, None)
    }

    /// The same, with the exit code that the client ends with.
    pub(in crate::docker) fn failed_with(message: String, code: Option<i32>) -> Self {
        let detail = ErrorDetail { code, message: message.clone() };
        Self { error_detail: Some(detail), error: Some(message), ..Self::default() }
    }

    /// Appends the line, as it goes over the wire.
    pub(in crate::docker) fn write(&self, buffer: &mut Vec<u8>) {
        // A struct of texts and numbers is written without fail.
        if serde_json::to_writer(&mut *buffer, self).is_ok() {
            buffer.extend_from_slice(b"\r\n");
        }
    }
}

/// Turns the steps of a pull into lines.
#[derive(Debug, Default)]
pub(in crate::docker) struct PullLines {
    seen: BTreeSet<Digest>,
}

impl PullLines {
    /// The lines of one step.
    pub(in crate::docker) fn step(&mut self, step: &Progress) -> Vec<Line> {
        match step {
            Progress::Pulling { tag, repository } => {
                vec![Line { id: Some(tag.clone()), ..Line::status(format!("Pulling from {}", remote(repository))) }]
            }
            Progress::Layer { digest, step } => self.layer(digest, *step),
            Progress::Pulled(pulled) => vec![Line::status(format!("Digest: {}", pulled.digest))],
            _ => Vec::new(),
        }
    }

    fn layer(&mut self, digest: &Digest, step: LayerStep) -> Vec<Line> {
        let first = self.seen.insert(*digest);
        if step == LayerStep::Exists {
            return vec![Line::layer("Already exists", digest)];
        }
        let mut lines = Vec::with_capacity(2);
        if first {
            lines.push(Line::layer("Pulling fs layer", digest));
        }
        match step {
            LayerStep::Waiting | LayerStep::Exists => lines.push(Line::layer("Waiting", digest)),
            LayerStep::Downloading { current, total } => lines.push(Line::bytes("Downloading", digest, current, total)),
            LayerStep::Downloaded => {
                lines.push(Line::layer("Verifying Checksum", digest));
                lines.push(Line::layer("Download complete", digest));
            }
            LayerStep::Extracting { current, total } => lines.push(Line::bytes("Extracting", digest, current, total)),
            LayerStep::Complete => lines.push(Line::layer("Pull complete", digest)),
        }
        lines
    }

    /// The last lines of a pull that went well.
    pub(in crate::docker) fn end(pulled: &PulledImage) -> [Line; 2] {
        let status = if pulled.up_to_date { "Image is up to date for" } else { "Downloaded newer image for" };
        [
            Line::status(format!("Digest: {}", pulled.digest)),
            Line::status(format!("Status: {status} {}", pulled.reference)),
        ]
    }
}

impl PullLines {
    /// The last line of a pull of all tags.
    pub(in crate::docker) fn end_of_all(pulled: &[PulledImage], repository: &str) -> Line {
        let newer = pulled.iter().any(|one| !one.up_to_date);
        let status = if newer { "Downloaded newer image for" } else { "Image is up to date for" };
        Line::status(format!("Status: {status} {repository}"))
    }
}

/// The lines of one step of a push.
pub(in crate::docker) fn push_step(step: &Progress) -> Vec<Line> {
    match step {
        Progress::PushingTo(repository) => {
            vec![Line::status(format!("The push refers to repository [{repository}]"))]
        }
        Progress::Push { layer, step } => vec![match step {
            PushStep::Preparing => Line::layer("Preparing", &layer.0),
            PushStep::Uploading { current, total } => Line::bytes("Pushing", &layer.0, *current, *total),
            PushStep::Exists => Line::layer("Layer already exists", &layer.0),
            PushStep::Mounted(from) => Line::layer(&format!("Mounted from {from}"), &layer.0),
            PushStep::Done => Line::layer("Pushed", &layer.0),
        }],
        Progress::Pushed(Pushed { tag, digest, size, .. }) => {
            let aux = Aux::Pushed { tag: tag.clone(), digest: *digest, size: *size };
            vec![
                Line::status(format!("{tag}: digest: {digest} size: {size}")),
                Line { progress_detail: Some(Detail::default()), aux: Some(aux), ..Line::default() },
            ]
        }
        _ => Vec::new(),
    }
}

/// The line of one step of a load, where there is one to show.
pub(in crate::docker) fn load_step(step: &Progress) -> Option<Line> {
    match step {
        Progress::Layer { digest, step: LayerStep::Extracting { current, total } } => {
            Some(Line::bytes("Loading layer", digest, *current, *total))
        }
        _ => None,
    }
}

/// The lines for an image that was loaded.
pub(in crate::docker) fn loaded(image: &LoadedImage) -> Vec<Line> {
    if image.tags.is_empty() {
        return vec![Line::stream(format!("Loaded image ID: {}\n", image.id))];
    }
    image.tags.iter().map(|tag| Line::stream(format!("Loaded image: {tag}\n"))).collect()
}

/// The repository's name at its registry, from its familiar name: `busybox` is `library/busybox` at Docker Hub.
fn remote(familiar: &str) -> String {
    match familiar.split_once('/') {
        None => format!("library/{familiar}"),
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path.to_owned(),
        Some(_) => familiar.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: impl IntoIterator<Item = Line>) -> String {
        let mut buffer = Vec::new();
        lines.into_iter().for_each(|line| line.write(&mut buffer));
        String::from_utf8(buffer).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn a_pull_reads_as_dockers() {
        let digest = Digest::of(b"layer");
        let id = digest.short();
        let mut lines = PullLines::default();
        let pulling = Progress::Pulling { tag: "latest".to_owned(), repository: "busybox".to_owned() };
        assert_eq!(text(lines.step(&pulling)), "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}\n");
        let mut step = |step| text(lines.step(&Progress::Layer { digest, step }));
        let bare = |status: &str| format!("{{\"status\":\"{status}\",\"progressDetail\":{{}},\"id\":\"{id}\"}}\n");
        assert_eq!(step(LayerStep::Waiting), bare("Pulling fs layer") + &bare("Waiting"));
        assert_eq!(
            step(LayerStep::Downloading { current: 5, total: 9 }),
            format!(
                "{{\"status\":\"Downloading\",\"progressDetail\":{{\"current\":5,\"total\":9}},\"id\":\"{id}\"}}\n"
            )
        );
        assert_eq!(step(LayerStep::Downloaded), bare("Verifying Checksum") + &bare("Download complete"));
        assert_eq!(
            step(LayerStep::Extracting { current: 9, total: 9 }),
            format!("{{\"status\":\"Extracting\",\"progressDetail\":{{\"current\":9,\"total\":9}},\"id\":\"{id}\"}}\n")
        );
        assert_eq!(step(LayerStep::Complete), bare("Pull complete"));
        assert_eq!(step(LayerStep::Exists), bare("Already exists"));
    }

    #[test]
    fn a_layer_first_seen_downloading_is_announced() {
        let layer = Progress::Layer { digest: Digest::of(b"x"), step: LayerStep::Downloading { current: 0, total: 0 } };
        let lines = text(PullLines::default().step(&layer));
        assert!(lines.starts_with("{\"status\":\"Pulling fs layer\"") && lines.contains("{\"current\":0}"), "{lines}");
    }

    #[test]
    fn a_pull_ends_with_digest_and_status() {
        let digest = Digest::of(b"m");
        let mut pulled = PulledImage { id: digest, digest, reference: "busybox:latest".to_owned(), up_to_date: false };
        let status = |pulled: &PulledImage| text(PullLines::end(pulled));
        assert_eq!(
            status(&pulled),
            format!(
                "{{\"status\":\"Digest: {digest}\"}}\n{{\"status\":\"Status: Downloaded newer image for busybox:latest\"}}\n"
            )
        );
        pulled.up_to_date = true;
        assert!(status(&pulled).contains("Status: Image is up to date for busybox:latest"));
        assert_eq!(text([Line::failed("no".to_owned())]), "{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\n");
    }

    #[test]
    fn a_push_reads_as_dockers() {
        let (layer, digest) = (runtime::digest::DiffId(Digest::of(b"layer")), Digest::of(b"m"));
        let id = layer.0.short();
        let step = |step| text(push_step(&Progress::Push { layer, step }));
        let bare = |status: &str| format!("{{\"status\":\"{status}\",\"progressDetail\":{{}},\"id\":\"{id}\"}}\n");
        let begin = Progress::PushingTo("docker.io/library/web".to_owned());
        assert_eq!(text(push_step(&begin)), "{\"status\":\"The push refers to repository [docker.io/library/web]\"}\n");
        assert_eq!(step(PushStep::Preparing), bare("Preparing"));
        assert!(
            step(PushStep::Uploading { current: 1, total: 2 })
                .contains("\"Pushing\",\"progressDetail\":{\"current\":1")
        );
        assert_eq!(step(PushStep::Exists), bare("Layer already exists"));
        assert_eq!(step(PushStep::Mounted("a/b".to_owned())), bare("Mounted from a/b"));
        assert_eq!(step(PushStep::Done), bare("Pushed"));
        let pushed = Pushed { id: digest, reference: "web:1".into(), tag: "1".into(), digest, size: 9 };
        assert_eq!(
            text(push_step(&Progress::Pushed(pushed))),
            format!(
                "{{\"status\":\"1: digest: {digest} size: 9\"}}\n\
                 {{\"progressDetail\":{{}},\"aux\":{{\"Tag\":\"1\",\"Digest\":\"{digest}\",\"Size\":9}}}}\n"
            )
        );
    }

    #[test]
    fn a_load_says_what_it_brought() {
        let id = Digest::of(b"i");
        let image = |tags: &[&str]| LoadedImage { id, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() };
        assert_eq!(
            text(loaded(&image(&["a:1", "b:2"]))),
            "{\"stream\":\"Loaded image: a:1\\n\"}\n{\"stream\":\"Loaded image: b:2\\n\"}\n"
        );
        assert_eq!(text(loaded(&image(&[]))), format!("{{\"stream\":\"Loaded image ID: {id}\\n\"}}\n"));
    }

    #[test]
    fn repositories_have_their_registrys_name() {
        for (familiar, name) in [
            ("busybox", "library/busybox"),
            ("me/app", "me/app"),
            ("127.0.0.1:5000/web", "web"),
            ("localhost/a/b", "a/b"),
            ("ghcr.io/a/b", "a/b"),
        ] {
            assert_eq!(remote(familiar), name);
        }
    }
}
